#pragma once

#include <string>
#include <vector>

#include "controller/objects.hpp"

namespace podfence {

/// error: something was refused and fails closed (exit status 1, with --strict 2). warning: it is
/// enforced as written, but probably not what was meant.
enum class Severity : std::uint8_t { error, warning };

/// A finding about the input, for a person and for scripts.
struct Problem {
    Severity severity = Severity::error;
    SourcePos pos{};
    std::string object{};   ///< "NetworkPolicy shop/db"; empty: unknown
    std::string field{};    ///< "spec.ingress[0].from[1].ipBlock.cidr"; empty: the whole
    std::string message{};  ///< What is wrong, with the offending value.
    std::string remedy{};   ///< What to do, and what happens meanwhile.
    friend bool operator==(const Problem&, const Problem&) = default;
};

/// "shop.yaml:12: error: NetworkPolicy shop/db: spec...cidr: ... (remedy)"
std::string to_string(const Problem& problem);

}  // namespace podfence
