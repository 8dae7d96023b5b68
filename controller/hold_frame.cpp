#include "controller/hold_frame.hpp"

#include <algorithm>
#include <utility>

#include "controller/node_frame.hpp"
#include "controller/policy_class.hpp"
#include "controller/sets.hpp"
#include "nft/ranges.hpp"

namespace podfence {

namespace {

using nft::Family;
using nft::Verdict;
using nft::VerdictKind;

constexpr std::uint32_t kKnownCapacityLeast = 1024;

std::string unknown_chain(Direction direction) {
    return "unknown-" + std::string(to_string(direction));
}

std::string held_name(Family family) {
    return "held-" + std::string(family_suffix(family));
}

bool holds_any(const CompileOptions& options, Family family) {
    return std::ranges::any_of(options.held_ranges,
                               [&](const Prefix& range) { return range.family() == family; });
}

nft::Set held_set(const CompileOptions& options, Family family) {
    return {.spec = {.key = {address_type(family)},
                     .interval = true,
                     .comment = "what is a pod's, known or not"},
            .elements = range_elements(ranges_of(options.held_ranges), family)};
}

}  // namespace

std::string known_name(Family family, std::size_t elements) {
    return sized_name("known-" + std::string(family_suffix(family)),
                      capacity_for(elements, kKnownCapacityLeast), kKnownCapacityLeast);
}

nft::SetSpec known_spec(Family family, std::size_t elements) {
    return {.key = {address_type(family)},
            .size = capacity_for(elements, kKnownCapacityLeast),
            .comment = "of what is held: pods that are known"};
}

void write_hold(Compiled& out, const CompileOptions& options, const PerFamily<std::size_t>& known) {
    if (options.held_ranges.empty()) return;
    for (const auto family : kFamilies) {
        if (holds_any(options, family)) {
            out.table.sets.emplace(held_name(family), held_set(options, family));
        }
    }
    for (const auto direction : kDirections) {
        nft::Chain chain{.comment = "whom no pod is known to be"};
        for (const auto family : kFamilies) {
            if (!holds_any(options, family)) continue;
            chain.rules.push_back(
                {.statements = {nft::MatchSet{{own_field(direction, family)},
                                              known_name(family, known[index(family)])},
                                Verdict{VerdictKind::ret}}});
        }
        chain.rules.push_back(
            {.statements = {Verdict{VerdictKind::go_to, ClassCompiler::deny_chain(direction)}}});
        const auto name = unknown_chain(direction);
        out.origins.insert_or_assign(name, ChainOrigin{.what = "unknown pods"});
        out.table.chains.insert_or_assign(name, std::move(chain));
    }
}

void add_hold_rules(nft::Chain& chain, const CompileOptions& options, Direction direction) {
    for (const auto family : kFamilies) {
        if (!holds_any(options, family)) continue;
        chain.rules.push_back(
            {.statements = {nft::MatchSet{{own_field(direction, family)}, held_name(family)},
                            Verdict{VerdictKind::jump, unknown_chain(direction)}}});
    }
}

}  // namespace podfence
