#include <algorithm>
#include <string>

#include "test/support/random_table.hpp"

namespace podfence::test {

using namespace nft;

namespace {

bool goes_to(const Verdict& verdict, const std::string& chain) {
    return !verdict.chain.empty() && verdict.chain == chain;
}

bool refers_to(const Rule& rule, const std::string& name) {
    return std::ranges::any_of(rule.statements, [&](const Statement& statement) {
        if (const auto* match = std::get_if<MatchSet>(&statement)) return match->set == name;
        if (const auto* look_up = std::get_if<LookupVerdict>(&statement)) {
            return look_up->map == name;
        }
        const auto* verdict = std::get_if<Verdict>(&statement);
        return verdict != nullptr && goes_to(*verdict, name);
    });
}

/// Takes away what refers to a set, map or chain that is to go.
void forget(Table& table, const std::string& name) {
    for (auto& [chain_name, chain] : table.chains) {
        std::erase_if(chain.rules, [&](const Rule& rule) { return refers_to(rule, name); });
    }
    for (auto& [map_name, map] : table.maps) {
        std::erase_if(map.entries,
                      [&](const MapEntry& entry) { return goes_to(entry.verdict, name); });
    }
}

/// Neither equal nor, in the first field, anywhere near each other: so never overlapping.
bool apart(const SetSpec& spec, const Element& a, const Element& b) {
    if (!spec.interval) return a != b;
    const std::size_t size = size_of(spec.key.front());
    const auto before = [&](const Key& x, const Key& y) {
        return std::ranges::lexicographical_compare(x.bytes().first(size), y.bytes().first(size));
    };
    return before(a.last, b.first) || before(b.last, a.first);
}

class Changer {
  public:
    Changer(std::uint64_t seed, Table table) : random_(seed), table_(std::move(table)) {}

    Table change() {
        drop_some(table_.sets);
        drop_some(table_.maps);
        drop_leaf();
        for (auto& [name, set] : table_.sets) change_elements(set);
        for (auto& [name, map] : table_.maps) change_entries(map);
        for (auto& [name, chain] : table_.chains) change_rules(chain);
        add_some();
        return std::move(table_);
    }

  private:
    template <class Items>
    void drop_some(Items& items) {
        if (items.empty() || !random_.percent(30)) return;
        const auto gone =
            std::next(items.begin(), static_cast<std::ptrdiff_t>(random_.below(items.size())));
        forget(table_, gone->first);
        items.erase(gone);
    }
    void drop_leaf() {
        const std::string name = "leaf-0";
        if (!table_.chains.contains(name) || !random_.percent(20)) return;
        forget(table_, name);
        table_.chains.erase(name);
    }

    /// Fresh elements that the ones there leave room for.
    std::vector<Element> fresh(const SetSpec& spec, std::vector<Element> there) {
        std::vector<Element> result;
        for (const Element& element : random_elements(random_, spec, random_.below(6))) {
            const bool full = spec.size != 0 && there.size() >= spec.size;
            if (full || !std::ranges::all_of(there, [&](const Element& other) {
                    return apart(spec, element, other);
                })) {
                continue;
            }
            there.push_back(element);
            result.push_back(element);
        }
        return result;
    }

    void change_elements(Set& set) {
        if (random_.percent(30)) return;
        std::erase_if(set.elements, [&](const Element&) { return random_.percent(20); });
        if (set.spec.interval && set.spec.key.size() == 1) shorten_ranges(set.elements);
        for (const Element& element : fresh(set.spec, set.elements)) {
            set.elements.push_back(element);
        }
        std::ranges::sort(set.elements);
    }
    /// [a-b] becomes [a-a]: deletion and addition of overlapping elements in one batch.
    void shorten_ranges(std::vector<Element>& elements) {
        for (Element& element : elements) {
            if (random_.percent(10)) element.last = element.first;
        }
    }

    void change_entries(Map& map) {
        if (random_.percent(30)) return;
        std::erase_if(map.entries, [&](const MapEntry&) { return random_.percent(20); });
        std::vector<Element> keys;
        for (MapEntry& entry : map.entries) {
            if (random_.percent(10)) entry.verdict = {.kind = VerdictKind::drop};
            if (random_.percent(10)) entry.comment = "changed";
            keys.push_back(entry.key);
        }
        for (const Element& key : fresh(map.spec, keys)) {
            map.entries.push_back({.key = key, .verdict = {.kind = VerdictKind::accept}});
        }
        std::ranges::sort(map.entries);
    }

    void change_rules(Chain& chain) {
        if (random_.percent(60)) return;
        if (!chain.rules.empty() && random_.percent(50)) {
            std::ranges::rotate(chain.rules, chain.rules.begin() + 1);
        }
        if (!chain.rules.empty() && random_.percent(50)) chain.rules.pop_back();
        if (random_.percent(50)) {
            chain.rules.push_back({.statements = {Counter{}}, .comment = "changed"});
        }
    }

    void add_some() {
        if (random_.percent(30)) {
            table_.chains["new-chain"] = {
                .comment = "new", .rules = {{.statements = {Verdict{.kind = VerdictKind::drop}}}}};
        }
        if (random_.percent(30)) {
            Set set{.spec = {.key = {FieldType::ipv4_addr}}};
            set.elements = random_elements(random_, set.spec, random_.below(9));
            table_.sets["new-set"] = std::move(set);
            Rule rule{.statements = {MatchSet{.key = {Field::ip_saddr}, .set = "new-set"}}};
            table_.chains["new-user"].rules.push_back(std::move(rule));
        }
    }

    Random random_;
    Table table_;
};

}  // namespace

Table changed_table(std::uint64_t seed, Table table) {
    return Changer(seed, std::move(table)).change();
}

}  // namespace podfence::test
