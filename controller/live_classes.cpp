#include "controller/live_classes.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "controller/sorted.hpp"

namespace podfence {

namespace {

/// Tells `visit` the names of all its parts, until it says that it has seen enough; returns whether
/// it did.
template <typename Visit>
bool for_each_part(const LiveClass& live, Visit visit) {
    if (visit(live.chain)) return true;
    for (const auto* names : {&live.chains, &live.maps, &live.constant_sets}) {
        if (std::ranges::any_of(*names, visit)) return true;
    }
    return std::ranges::any_of(live.live_sets, [&](const LiveSet* set) {
        return std::ranges::any_of(kFamilies,
                                   [&](nft::Family family) { return visit(set->name(family)); });
    });
}

}  // namespace

LiveClass& LiveClasses::join(PolicyClass definition) {
    const auto [entry, added] = classes_.try_emplace(std::move(definition));
    auto& joined = entry->second;
    if (added) {
        joined.definition = &entry->first;
        joined.chain = ClassCompiler::name_of(entry->first);
        mark(joined);
    }
    ++joined.pods;
    return joined;
}

void LiveClasses::leave(LiveClass& policy_class) {
    if (--policy_class.pods == 0) mark(policy_class);
}

void LiveClasses::policy_changed(const NetworkPolicy& policy) {
    for (auto& [definition, live] : classes_) {
        if (live.stale) continue;
        const auto& policies = definition.policies;
        if (std::find(policies.begin(), policies.end(), &policy) != policies.end()) mark(live);
    }
}

void LiveClasses::mark(LiveClass& policy_class) {
    if (policy_class.stale) return;
    policy_class.stale = true;
    stale_.push_back(&policy_class);
}

void LiveClasses::settle() {
    if (sets_.stale()) {
        for (auto& [definition, live] : classes_) {
            if (std::ranges::any_of(live.live_sets, &LiveSet::stale)) mark(live);
        }
        sets_.clear_stale();
    }
    for (auto* live : stale_) {
        live->stale = false;
        if (live->pods > 0) {
            compile(*live);
        } else {
            unindex(*live);
            release_parts(*live);
            classes_.erase(classes_.find(*live->definition));
        }
    }
    stale_.clear();
}

void LiveClasses::compile(LiveClass& policy_class) {
    Compiled compiled;
    ClassSets sets(sets_, compiled.table);
    ClassCompiler(compiled, sets, counters_).chain_for(*policy_class.definition);
    // What stays must not be released before it is used again.
    const auto previous = policy_class;
    const auto use = [](auto& shared, auto& parts, std::vector<std::string>& names) {
        names.clear();
        for (auto& [name, part] : parts) {
            names.push_back(name);
            shared.use(name, std::move(part));
        }
    };
    use(chains_, compiled.table.chains, policy_class.chains);
    use(maps_, compiled.table.maps, policy_class.maps);
    use(constant_sets_, compiled.table.sets, policy_class.constant_sets);
    policy_class.live_sets = sets.take_used();
    release_parts(previous);
    unindex(policy_class);
    index_by_parts(policy_class);
}

/// What the names of its parts are now: one that is named anew later makes the class stale.
void LiveClasses::index_by_parts(LiveClass& policy_class) {
    auto& hashes = policy_class.indexed_by;
    hashes.clear();
    for_each_part(policy_class, [&](const std::string& name) {
        insert(hashes, std::hash<std::string>{}(name));
        return false;
    });
    for (const auto hash : hashes) users_.emplace(hash, &policy_class);
}

void LiveClasses::unindex(const LiveClass& policy_class) {
    for (const auto hash : policy_class.indexed_by) {
        const auto [first, last] = users_.equal_range(hash);
        users_.erase(std::find_if(first, last,
                                  [&](const auto& user) { return user.second == &policy_class; }));
    }
}

void LiveClasses::release_parts(const LiveClass& policy_class) {
    for (const auto& name : policy_class.chains) chains_.release(name);
    for (const auto& name : policy_class.maps) maps_.release(name);
    for (const auto& name : policy_class.constant_sets) constant_sets_.release(name);
    for (auto* set : policy_class.live_sets) sets_.release(*set);
}

void LiveClasses::write(nft::Table& table) const {
    table.chains.insert(chains_.now().begin(), chains_.now().end());
    table.maps.insert(maps_.now().begin(), maps_.now().end());
    table.sets.insert(constant_sets_.now().begin(), constant_sets_.now().end());
    sets_.write(table);
}

nft::TableCounts LiveClasses::counts() const {
    auto counts = sets_.counts();
    return counts += {.chains = chains_.now().size(),
                      .rules = chains_.items(),
                      .sets = maps_.now().size() + constant_sets_.now().size(),
                      .elements = maps_.items() + constant_sets_.items()};
}

void LiveClasses::tell(Difference& difference) {
    chains_.tell(difference.before.chains, difference.now.chains);
    maps_.tell(difference.before.maps, difference.now.maps);
    constant_sets_.tell(difference.before.sets, difference.now.sets);
    sets_.tell(difference);
}

std::vector<const LiveClass*> LiveClasses::classes_behind(const std::string& object) const {
    std::vector<const LiveClass*> found;
    const auto [first, last] = users_.equal_range(std::hash<std::string>{}(object));
    for (auto user = first; user != last; ++user) {
        const auto is_it = [&](const std::string& name) { return name == object; };
        if (for_each_part(*user->second, is_it)) found.push_back(user->second);
    }
    return found;
}

std::set<ObjectName> LiveClasses::policies_behind(const std::string& object) const {
    std::set<ObjectName> found;
    for (const LiveClass* live : classes_behind(object)) {
        for (const NetworkPolicy* policy : live->definition->policies) found.insert(policy->name);
    }
    return found;
}

}  // namespace podfence
