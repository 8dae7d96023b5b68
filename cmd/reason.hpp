#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controller/explain.hpp"

namespace podfence::cmd {

enum class Mark : std::uint8_t { none, good, bad };

/// One line of why a direction is allowed or denied; a matrix page and `explain` say the same.
struct ReasonLine {
    unsigned depth = 0;
    Mark mark = Mark::none;
    std::string text{};
    SourcePos at{};  ///< Where the policy or rule was read from; line 0: nowhere.
    friend auto operator==(const ReasonLine&, const ReasonLine&) -> bool = default;
};

/// The first line is the verdict of the direction; the others are the grounds: of an allowed flow
/// the rule that allows it, of a denied one everything that did not.
std::vector<ReasonLine> reasons(const DirectionOutcome& outcome, Direction direction);

/// "shop/db ingress[0]" of the rule that allows the flow; "" when none does or none is needed.
std::string allowing_rule(const DirectionOutcome& outcome, Direction direction);

}  // namespace podfence::cmd
