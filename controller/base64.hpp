#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace podfence {

std::string to_base64(std::string_view bytes);
/// RFC 4648, with blanks and line ends anywhere. nullopt: it is none.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace podfence
