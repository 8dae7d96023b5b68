#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/doctor/finding.hpp"
#include "controller/self_test/flows.hpp"

namespace podfence::self_test {

/// What the packets prove.
enum class Proof : std::uint8_t {
    enforced,    ///< What policies deny was dropped by our rules, on every way that was tried.
    bypassed,    ///< Something that policies deny arrived, or what was cut went on.
    unproven,    ///< Nothing bypassed, but somebody else dropped what our rules were to drop.
    impossible,  ///< It could not be tried.
};
std::string_view to_string(Proof proof);  ///< "enforced", ...

struct Outcome {
    Proof proof = Proof::impossible;
    std::string reason{};  ///< Why it is not `enforced`, in half a line; empty: it is.
    std::vector<FlowResult> results{};
    doctor::Findings findings{};  ///< The same for a person, with remedies.
};

/// Pure: from what became of the flows.
Outcome judge(std::vector<FlowResult> results);

/// Adds what is certain of the node's own pods without a packet, and what packets of others do not
/// meet: errors among these findings are ways past the rules, of doctor::check_bypasses().
void add_bypasses(Outcome& outcome, const doctor::Findings& findings);

/// It could not be tried, and why.
Outcome impossible(const std::string& reason, const std::string& remedy);

}  // namespace podfence::self_test
