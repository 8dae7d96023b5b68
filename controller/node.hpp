#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace podfence {

/// A value of a manifest, from YAML or JSON alike. Members of a map carry their key, in written
/// order; lines count from 1 and are those of the key, or of the value where there is none.
struct Node {
    enum class Kind : std::uint8_t { null, boolean, integer, real, string, list, map };

    std::string key{};
    std::string text{};  ///< Of a scalar, as written; empty for null.
    std::vector<Node> children{};
    std::uint32_t line = 0;
    Kind kind = Kind::null;
    bool repeated_key = false;  ///< Of a map: some key occurs more than once.

    bool is(Kind k) const { return kind == k; }
    bool is_map() const { return kind == Kind::map; }
    bool is_list() const { return kind == Kind::list; }
    bool is_string() const { return kind == Kind::string; }
    bool is_null() const { return kind == Kind::null; }

    /// The member with this key, the last of several; nullptr when missing or this is no map.
    const Node* find(std::string_view name) const;
    /// The same, but null counts as missing, as it does for every optional field of the API.
    const Node* get(std::string_view name) const;
    /// The text of a string member; empty when missing or no string.
    std::string_view string_at(std::string_view name) const;
};

/// What an unquoted YAML scalar is: YAML 1.1 as kubectl reads it, so that "yes", "on" and "n" are
/// booleans, "0x1f" and "010" integers, "~" and "" null.
Node::Kind kind_of_plain(std::string_view text);

/// The value of an integer: decimal, or with 0x, 0o, 0b or a leading 0 (octal), sign and
/// underscores as YAML 1.1 has them. nullopt when it is none or does not fit.
std::optional<std::int64_t> parse_integer(std::string_view text);

/// nullopt when it is none of YAML 1.1's booleans.
std::optional<bool> parse_boolean(std::string_view text);

/// For messages: "the boolean true", "the string \"x\"", "a list", "null"; long values are cut and
/// control characters escaped.
std::string describe(const Node& node);
/// Text in double quotes, cut and escaped, fit for a terminal.
std::string quoted(std::string_view text);

}  // namespace podfence
