#include "cmd/dump_json.hpp"

#include <boost/json.hpp>

#include "nft/text.hpp"

namespace podfence::cmd {

namespace {

const char* name_of(nft::FieldType type) {
    switch (type) {
        case nft::FieldType::ipv4_addr:
            return "ipv4_addr";
        case nft::FieldType::ipv6_addr:
            return "ipv6_addr";
        case nft::FieldType::inet_proto:
            return "inet_proto";
        case nft::FieldType::inet_service:
            return "inet_service";
        case nft::FieldType::icmpv6_type:
            return "icmpv6_type";
        case nft::FieldType::iface_index:
            return "iface_index";
        case nft::FieldType::ether_type:
            return "ether_type";
    }
    return "";
}

const char* name_of(nft::Hook hook) {
    switch (hook) {
        case nft::Hook::prerouting:
            return "prerouting";
        case nft::Hook::input:
            return "input";
        case nft::Hook::forward:
            return "forward";
        case nft::Hook::output:
            return "output";
        case nft::Hook::postrouting:
            return "postrouting";
        case nft::Hook::ingress:
            return "ingress";
    }
    return "";
}

boost::json::object spec_json(const nft::SetSpec& spec) {
    boost::json::array key;
    for (const nft::FieldType type : spec.key) key.push_back(name_of(type));
    return {{"key", std::move(key)},
            {"interval", spec.interval},
            {"size", spec.size},
            {"comment", spec.comment}};
}

boost::json::value chain_json(const nft::Chain& chain, const ChainOrigin* origin) {
    boost::json::object json;
    if (chain.base) {
        json["base"] = {{"hook", name_of(chain.base->hook)},
                        {"priority", chain.base->priority},
                        {"policy", chain.base->policy_accept ? "accept" : "drop"}};
        if (!chain.base->device.empty()) json["base"].as_object()["device"] = chain.base->device;
    }
    json["comment"] = chain.comment;
    if (origin != nullptr) {
        json["origin"] = {{"what", origin->what}, {"policies", to_json(origin->policies)}};
    }
    boost::json::array rules;
    for (const nft::Rule& rule : chain.rules) rules.push_back(boost::json::string(to_text(rule)));
    json["rules"] = std::move(rules);
    return json;
}

boost::json::object chains_json(const nft::Table& table,
                                const std::map<std::string, ChainOrigin>& origins) {
    boost::json::object chains;
    for (const auto& [name, chain] : table.chains) {
        const auto origin = origins.find(name);
        chains[name] = chain_json(chain, origin == origins.end() ? nullptr : &origin->second);
    }
    return chains;
}

std::size_t count_in(const std::map<std::string, std::size_t>& counts, const std::string& name) {
    const auto found = counts.find(name);
    return found == counts.end() ? 0 : found->second;
}

boost::json::object table_json(const nft::Table& table,
                               const std::map<std::string, ChainOrigin>& origins,
                               const std::map<std::string, std::size_t>& left_out) {
    boost::json::object sets;
    for (const auto& [name, set] : table.sets) {
        boost::json::object json = spec_json(set.spec);
        boost::json::array elements;
        for (const nft::Element& element : set.elements) {
            elements.push_back(boost::json::string(nft::to_text(set.spec, element)));
        }
        json["elements"] = std::move(elements);
        json["left_out"] = count_in(left_out, name);
        sets[name] = std::move(json);
    }
    boost::json::object maps;
    for (const auto& [name, map] : table.maps) {
        boost::json::object json = spec_json(map.spec);
        boost::json::array entries;
        for (const nft::MapEntry& entry : map.entries) {
            entries.push_back({{"key", nft::to_text(map.spec, entry.key)},
                               {"verdict", nft::to_text(entry.verdict)},
                               {"comment", entry.comment}});
        }
        json["entries"] = std::move(entries);
        json["left_out"] = count_in(left_out, name);
        maps[name] = std::move(json);
    }
    return {{"table",
             {{"family", table.id.family == nft::TableFamily::inet ? "inet" : "netdev"},
              {"name", table.id.name},
              {"dormant", (table.flags & 1U) != 0}}},
            {"chains", chains_json(table, origins)},
            {"maps", std::move(maps)},
            {"sets", std::move(sets)},
            {"foreign", to_json(table.foreign)}};
}

}  // namespace

void print_json(Output& out, const nft::Table& table,
                const std::map<std::string, ChainOrigin>& origins,
                const std::map<std::string, std::size_t>& left_out, const nft::Table* interfaces,
                const Input* input) {
    boost::json::object json = table_json(table, origins, left_out);
    if (interfaces != nullptr) json["interfaces"] = table_json(*interfaces, {}, {});
    if (input != nullptr) {
        json["problems"] = to_json(input->loaded.problems);
        json["warnings"] = to_json(input->warnings);
    }
    out.json(json);
}

}  // namespace podfence::cmd
