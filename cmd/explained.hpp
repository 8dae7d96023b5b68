#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "cmd/endpoint.hpp"
#include "cmd/input.hpp"
#include "cmd/terminal.hpp"
#include "controller/explain.hpp"
#include "nft/ruleset.hpp"

namespace podfence::cmd {

/// One rule of the kernel's table that the packet matched.
struct LiveStep {
    std::string chain;
    std::size_t rule = 0;
    std::string text;  ///< The rule in nft syntax.
    std::string note;  ///< The element that decided.
};

/// What the rules in this node's kernel do with the flow's first packet.
struct LiveVerdict {
    std::string skipped{};  ///< Why the packet was not walked; "" when it was.
    bool expected = false;  ///< What the policies say about the ends on this node.
    bool accepted = false;
    std::vector<LiveStep> steps{};
    bool agrees() const { return !skipped.empty() || expected == accepted; }
};

struct JudgedFlow {
    Target target{};
    Explanation why;
    std::optional<LiveVerdict> live{};  ///< Only with --live.
};

/// The answer of `explain`: one flow for each port and address family that was asked for.
struct Explained {
    Endpoint from{};
    Endpoint to{};
    std::vector<JudgedFlow> flows{};
    std::vector<std::string> remarks{};
    std::string node{};

    bool allowed() const;
    /// The one that decides the verdict: the first denied, else the first.
    const JudgedFlow& decisive() const;
    bool live_agrees() const;
};

/// Walks the flow's first packet through what the kernel of `node` holds (nullopt: no table).
LiveVerdict walk_live(const std::optional<nft::Table>& table, const Explanation& why,
                      const std::string& node);

void print_text(Output& out, const Explained& explained);
void print_json(Output& out, const Explained& explained, const Input& input);

}  // namespace podfence::cmd
