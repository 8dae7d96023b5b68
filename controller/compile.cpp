#include "controller/compile.hpp"

#include <algorithm>
#include <utility>

#include "controller/hold_frame.hpp"
#include "controller/local_pod.hpp"
#include "controller/match_index.hpp"
#include "controller/node_frame.hpp"
#include "controller/policy_class.hpp"
#include "controller/prefixes.hpp"
#include "controller/set_pool.hpp"

namespace podfence {

namespace {

/// What a node's table is made of, in the order in which it is written.
class NodeCompiler {
  public:
    NodeCompiler(const Cluster& cluster, const CompileOptions& options)
        : cluster_(cluster),
          options_(options),
          index_(cluster),
          sets_(out_.table, index_),
          classes_(out_, sets_, options.counters) {
        out_.table.id = options.table;
    }

    Compiled run() {
        for (const auto& [name, pod] : cluster_.pods()) {
            if (is_local(pod, options_.node)) add_pod(pod);
        }
        FrameCounts counts;
        for (const auto family : kFamilies) {
            for (const auto direction : kDirections) {
                counts.dispatched[index(direction)][index(family)] =
                    add_dispatch(direction, family);
            }
            counts.hairpins[index(family)] = add_hairpins(family);
            counts.known[index(family)] = add_known(family);
        }
        write_frame(out_, options_, counts);
        return std::move(out_);
    }

  private:
    void add_pod(const Pod& pod);
    std::size_t add_dispatch(Direction direction, nft::Family family);
    std::size_t add_hairpins(nft::Family family);
    std::size_t add_known(nft::Family family);

    const Cluster& cluster_;
    const CompileOptions& options_;
    Compiled out_;
    MatchIndex index_;
    SetPool sets_;
    ClassCompiler classes_;
    PerDirection<PerFamily<std::vector<nft::MapEntry>>> dispatch_;
    PerFamily<std::vector<nft::Element>> hairpins_;
};

void NodeCompiler::add_pod(const Pod& pod) {
    const auto held = held_addresses(cluster_, pod);
    if (held.empty()) return;
    ++out_.local_pods;
    bool isolated = false;
    auto policies = isolating(cluster_, pod);
    for (const auto direction : kDirections) {
        auto& own = policies[index(direction)];
        if (own.empty()) continue;  // N1: open, no element
        isolated = true;
        const auto chain = classes_.chain_for(class_of(pod, direction, std::move(own)));
        for (const auto& address : held) {
            dispatch_[index(direction)][index(address.family())].push_back(
                dispatch_entry(direction, address, chain, pod.name));
        }
    }
    if (!isolated) return;
    ++out_.isolated_pods;
    for (const auto& address : held) {
        hairpins_[index(address.family())].push_back(hairpin_element(address));
    }
}

std::size_t NodeCompiler::add_dispatch(Direction direction, nft::Family family) {
    auto& entries = dispatch_[index(direction)][index(family)];
    std::sort(entries.begin(), entries.end());
    const auto count = entries.size();
    out_.table.maps.emplace(
        dispatch_name(direction, family, count),
        nft::Map{.spec = dispatch_spec(family, count), .entries = std::move(entries)});
    return count;
}

std::size_t NodeCompiler::add_hairpins(nft::Family family) {
    auto& elements = hairpins_[index(family)];
    std::sort(elements.begin(), elements.end());
    const auto count = elements.size();
    out_.table.sets.emplace(
        hairpin_name(family, count),
        nft::Set{.spec = hairpin_spec(family, count), .elements = std::move(elements)});
    return count;
}

/// Whoever of the cluster's pods holds an address of what is held.
std::size_t NodeCompiler::add_known(nft::Family family) {
    if (options_.held_ranges.empty()) return 0;
    std::vector<nft::Element> elements;
    for (const auto& [name, pod] : cluster_.pods()) {
        for (const auto& address : held_addresses(cluster_, pod)) {
            if (address.family() == family && is_in_any(options_.held_ranges, address)) {
                elements.push_back(address_element(address));
            }
        }
    }
    std::sort(elements.begin(), elements.end());
    const auto count = elements.size();
    out_.table.sets.emplace(known_name(family, count), nft::Set{.spec = known_spec(family, count),
                                                                .elements = std::move(elements)});
    return count;
}

}  // namespace

std::string_view to_string(DenyWith how) {
    return how == DenyWith::reject ? "reject" : "drop";
}

Compiled compile_all(const Cluster& cluster, const CompileOptions& options) {
    return NodeCompiler(cluster, options).run();
}

}  // namespace podfence
