#include "nft/fake_form.hpp"

#include <algorithm>

namespace podfence::nft {

namespace {

/// NF_LOG_PREFIXLEN of the kernel counts the terminating zero.
constexpr std::size_t kLogPrefixBytesMax = 127;

bool is_name(const std::string& name) {
    return !name.empty() && name.size() <= kNameBytesMax && name.find('\0') == std::string::npos;
}

/// IFNAMSIZ of the kernel counts the terminating zero.
constexpr std::size_t kDeviceBytesMax = 15;

bool is_device(const std::string& name) {
    return !name.empty() && name.size() <= kDeviceBytesMax && name.find('\0') == std::string::npos;
}

bool is_comment(const std::string& comment) {
    return comment.size() <= kCommentBytesMax;
}

struct WellFormedStatement {
    bool operator()(const MatchSet& match) const { return is_name(match.set); }
    bool operator()(const LookupVerdict& look_up) const { return is_name(look_up.map); }
    bool operator()(const Limit& limit) const { return limit.burst != 0; }
    bool operator()(const Log& log) const { return log.prefix.size() <= kLogPrefixBytesMax; }
    bool operator()(const Verdict& verdict) const { return verdict.chain.size() <= kNameBytesMax; }
    bool operator()(const Opaque& /*opaque*/) const { return false; }
    template <class Other>
    bool operator()(const Other& /*other*/) const {
        return true;
    }
};

struct WellFormed {
    TableFamily family;

    bool operator()(const AddTable& /*op*/) const { return true; }
    bool operator()(const DeleteTable& /*op*/) const { return true; }
    bool operator()(const AddSet& op) const { return set(op.name, op.spec); }
    bool operator()(const AddMap& op) const { return set(op.name, op.spec); }
    bool operator()(const DeleteSet& op) const { return is_name(op.name); }
    bool operator()(const AddElements& op) const { return elements(op.set, op.spec, op.elements); }
    bool operator()(const DeleteElements& op) const {
        return elements(op.set, op.spec, op.elements);
    }
    bool operator()(const AddEntries& op) const { return entries(op.map, op.spec, op.entries); }
    bool operator()(const DeleteEntries& op) const { return entries(op.map, op.spec, op.entries); }
    bool operator()(const AddChain& op) const {
        return is_name(op.name) && is_comment(op.comment) && (!op.base || hook(*op.base));
    }
    bool operator()(const FlushChain& op) const { return is_name(op.name); }
    bool operator()(const DeleteChain& op) const { return is_name(op.name); }
    bool operator()(const AddRules& op) const {
        return is_name(op.chain) && std::ranges::all_of(op.rules, [](const Rule& rule) {
                   return is_comment(rule.comment) &&
                          std::ranges::all_of(rule.statements, [](const Statement& statement) {
                              return std::visit(WellFormedStatement{}, statement);
                          });
               });
    }

  private:
    bool hook(const BaseChain& base) const {
        const bool ingress = base.hook == Hook::ingress;
        return ingress == (family == TableFamily::netdev) && ingress == is_device(base.device);
    }
    static bool set(const std::string& name, const SetSpec& spec) {
        return is_name(name) && !spec.key.empty() && key_bytes(spec) <= Key::kBytesMax &&
               is_comment(spec.comment);
    }
    static bool element(const SetSpec& spec, const Element& element) {
        return element.first.bytes().size() == key_bytes(spec) &&
               element.last.bytes().size() == key_bytes(spec) &&
               (spec.interval || element.first == element.last);
    }
    static bool elements(const std::string& name, const SetSpec& spec,
                         const std::vector<Element>& items) {
        return is_name(name) &&
               std::ranges::all_of(items, [&](const Element& item) { return element(spec, item); });
    }
    static bool entries(const std::string& name, const SetSpec& spec,
                        const std::vector<MapEntry>& items) {
        return is_name(name) && std::ranges::all_of(items, [&](const MapEntry& item) {
                   return element(spec, item.key) && is_comment(item.comment) &&
                          item.verdict.chain.size() <= kNameBytesMax;
               });
    }
};

}  // namespace

bool is_well_formed(const TableId& table, const Op& op) {
    return is_name(table.name) && std::visit(WellFormed{table.family}, op);
}

std::size_t key_bytes(const SetSpec& spec) {
    std::size_t size = 0;
    for (const auto type : spec.key) {
        size += spec.key.size() > 1 ? padded_size_of(type) : size_of(type);
    }
    return size;
}

}  // namespace podfence::nft
