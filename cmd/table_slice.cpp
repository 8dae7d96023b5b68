#include "cmd/table_slice.hpp"

#include <algorithm>
#include <deque>
#include <set>

#include "controller/anti_spoof.hpp"

namespace podfence::cmd {

namespace {

using nft::Field;

bool is_source(Field field) {
    return field == Field::ip_saddr || field == Field::ip6_saddr;
}

bool is_destination(Field field) {
    return field == Field::ip_daddr || field == Field::ip6_daddr;
}

class Slicer {
  public:
    Slicer(const nft::Table& table, const std::vector<nft::Address>& addresses)
        : table_(table), addresses_(addresses) {
        kept_.id = table.id;
        kept_.flags = table.flags;
    }

    nft::Table run() {
        for (const auto& [name, chain] : table_.chains) {
            if (chain.base) visit(name, false);
        }
        while (!queue_.empty()) {
            const Visit next = queue_.front();
            queue_.pop_front();
            keep_chain(next);
        }
        return std::move(kept_);
    }

  private:
    /// `own`: the way here led through an entry of the pod, so everything from here on is its own.
    struct Visit {
        std::string chain;
        bool own = false;
        auto operator<=>(const Visit&) const = default;
    };

    void visit(const std::string& chain, bool own) {
        if (seen_.insert({chain, own}).second) queue_.push_back({chain, own});
    }

    void keep_chain(const Visit& visit) {
        const auto found = table_.chains.find(visit.chain);
        if (found == table_.chains.end()) return;
        nft::Chain chain{.base = found->second.base, .comment = found->second.comment};
        for (const nft::Rule& rule : found->second.rules) {
            if (keep_rule(rule, visit.own)) chain.rules.push_back(rule);
        }
        // A chain that is reached both ways has more rules when everything of it is the pod's.
        nft::Chain& kept = kept_.chains[visit.chain];
        if (kept.rules.size() <= chain.rules.size()) kept = std::move(chain);
    }

    /// Keeps what the rule refers to; false when no packet of the pod can match it.
    bool keep_rule(const nft::Rule& rule, bool own) {
        bool reachable = true;
        for (const nft::Statement& statement : rule.statements) {
            if (const auto* match = std::get_if<nft::MatchSet>(&statement)) {
                reachable = reachable && keep_set(*match, own);
            } else if (const auto* lookup = std::get_if<nft::LookupVerdict>(&statement)) {
                reachable = reachable && keep_map(*lookup, own);
            } else if (const auto* verdict = std::get_if<nft::Verdict>(&statement)) {
                if (reachable && !verdict->chain.empty()) visit(verdict->chain, own);
            }
        }
        return reachable;
    }

    /// Must an element name the pod for a packet of the pod to match it? Always where the key has
    /// both ends; where it has one end, only before the pod's own entry was found: later that end
    /// is the peer.
    static bool must_name_pod(const std::vector<Field>& key, bool own) {
        const bool from = std::any_of(key.begin(), key.end(), is_source);
        const bool to = std::any_of(key.begin(), key.end(), is_destination);
        return (from && to) || ((from || to) && !own);
    }

    bool names_pod(const nft::SetSpec& spec, const nft::Element& element) const {
        const auto first = nft::split_key(spec.key, element.first);
        const auto last = nft::split_key(spec.key, element.last);
        for (std::size_t i = 0; i < first.size(); ++i) {
            const auto* low = std::get_if<nft::Address>(&first[i]);
            const auto* high = std::get_if<nft::Address>(&last[i]);
            if (low == nullptr || high == nullptr) continue;
            const bool covers = std::any_of(
                addresses_.begin(), addresses_.end(),
                [&](const nft::Address& address) { return *low <= address && address <= *high; });
            if (covers) return true;
        }
        return false;
    }

    bool keep_set(const nft::MatchSet& match, bool own) {
        const auto found = table_.sets.find(match.set);
        if (found == table_.sets.end()) return true;
        const bool filter = must_name_pod(match.key, own);
        nft::Set set{.spec = found->second.spec};
        for (const nft::Element& element : found->second.elements) {
            if (!filter || names_pod(set.spec, element)) set.elements.push_back(element);
        }
        if (filter && set.elements.empty()) return false;
        nft::Set& kept = kept_.sets[match.set];
        if (kept.elements.size() <= set.elements.size()) kept = std::move(set);
        return true;
    }

    bool keep_map(const nft::LookupVerdict& lookup, bool own) {
        const auto found = table_.maps.find(lookup.map);
        if (found == table_.maps.end()) return true;
        const bool filter = must_name_pod(lookup.key, own);
        nft::Map map{.spec = found->second.spec};
        for (const nft::MapEntry& entry : found->second.entries) {
            if (filter && !names_pod(map.spec, entry.key)) continue;
            map.entries.push_back(entry);
            if (!entry.verdict.chain.empty()) visit(entry.verdict.chain, own || filter);
        }
        if (filter && map.entries.empty()) return false;
        nft::Map& kept = kept_.maps[lookup.map];
        if (kept.entries.size() <= map.entries.size()) kept = std::move(map);
        return true;
    }

    const nft::Table& table_;
    const std::vector<nft::Address>& addresses_;
    nft::Table kept_;
    std::set<Visit> seen_;
    std::deque<Visit> queue_;
};

}  // namespace

nft::Table slice(const nft::Table& table, const std::vector<nft::Address>& addresses) {
    return Slicer(table, addresses).run();
}

bool has_entries(const nft::Table& table, const std::vector<nft::Address>& addresses) {
    return !slice(table, addresses).maps.empty();
}

std::vector<nft::Address> addresses_of(const nft::Table& table, const std::string& pod) {
    const std::string comment = pod.substr(0, nft::kCommentBytesMax);
    std::set<nft::Address> found;
    for (const auto& [name, map] : table.maps) {
        for (const nft::MapEntry& entry : map.entries) {
            if (entry.comment != comment) continue;
            for (const nft::FieldValue& value : nft::split_key(map.spec.key, entry.key.first)) {
                if (const auto* address = std::get_if<nft::Address>(&value)) {
                    found.insert(*address);
                }
            }
        }
    }
    return {found.begin(), found.end()};
}

std::optional<nft::Table> slice_interfaces(nft::Table table, const std::string& pod) {
    const std::string comment = pod.substr(0, nft::kCommentBytesMax);
    std::set<std::uint32_t> links;
    std::erase_if(table.chains, [&](const auto& entry) {
        const auto& [name, chain] = entry;
        if (!chain.base) return false;
        const bool ours =
            std::ranges::find(chain.rules, comment, &nft::Rule::comment) != chain.rules.end();
        if (const auto link = link_of_hook_chain(name); ours && link) links.insert(*link);
        return !ours;
    });
    if (links.empty()) return std::nullopt;
    for (auto& [name, set] : table.sets) {
        if (set.spec.key.front() != nft::FieldType::iface_index) continue;
        std::erase_if(set.elements, [&](const nft::Element& element) {
            const auto fields = nft::split_key(set.spec.key, element.first);
            return !links.contains(std::get<std::uint32_t>(fields.front()));
        });
    }
    return table;
}

std::map<std::string, std::size_t> shorten(nft::Table& table, std::size_t elements_max) {
    std::map<std::string, std::size_t> left_out;
    const auto cut = [&](const std::string& name, auto& elements) {
        if (elements.size() <= elements_max) return;
        left_out[name] = elements.size() - elements_max;
        elements.erase(elements.begin() + static_cast<std::ptrdiff_t>(elements_max),
                       elements.end());
    };
    for (auto& [name, set] : table.sets) cut(name, set.elements);
    for (auto& [name, map] : table.maps) cut(name, map.entries);
    return left_out;
}

}  // namespace podfence::cmd
