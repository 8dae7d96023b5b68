#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "controller/node.hpp"
#include "controller/source.hpp"

namespace podfence {

/// The `Status` of a refusal, from an answer's body or an ERROR event.
struct ApiRefusal {
    unsigned code = 0;  ///< As HTTP has them.
    std::string reason{};
    std::string message{};
    std::optional<std::chrono::seconds> retry_after{};
    bool version_too_large = false;  ///< The server has not seen our resourceVersion yet.
};
ApiRefusal decode_refusal(const Node& status);
/// From a body, which may be no Status at all: a proxy's page then gives its first words.
ApiRefusal read_refusal(std::string_view body);

/// What a refusal means to an operator. `verb` is what was asked for: "list" or "watch".
Trouble trouble_of(Kind kind, std::string_view verb, unsigned code, const ApiRefusal& refusal);

}  // namespace podfence
