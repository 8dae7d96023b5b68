#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// Other people's text on its way into logs and answers.
namespace podfence {

/// At most `bytes` of it, cut between characters, followed by how many bytes are missing.
std::string shortened(std::string_view text, std::size_t bytes);

/// With U+FFFD in place of every byte that is no part of a character in UTF-8.
std::string as_utf8(std::string_view text);

/// As a JSON string with its quotes: control characters and what is no UTF-8 escaped (an invalid
/// byte becomes U+FFFD), so that it stays on one line and drives no terminal.
std::string json_quoted(std::string_view text);

}  // namespace podfence
