#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

/// What a look at a node found, for people and for scripts.
namespace podfence::doctor {

enum class Level : std::uint8_t {
    ok,       ///< As it should be.
    note,     ///< Good to know; nothing to mend.
    warning,  ///< Policies are enforced, but something beside them may surprise.
    error,    ///< Policies are not enforced here, all or some of them.
};
std::string_view to_string(Level level);  ///< "ok", "note", ...

struct Finding {
    std::string id{};  ///< "bridge-bypass-ipv4": for scripts; stays as it is.
    Level level = Level::ok;
    std::string title{};   ///< What was looked at and how it is, in half a line.
    std::string text{};    ///< What that means; empty: the title says it all.
    std::string remedy{};  ///< The command that mends it, or the option; empty: none is needed.

    friend bool operator==(const Finding&, const Finding&) = default;
};

using Findings = std::vector<Finding>;

/// The gravest; ok when there are none.
Level worst_of(const Findings& findings);

/// "a, b, c, d and 3 more"
std::string list_of(const std::vector<std::string>& names);

boost::json::object to_json(const Finding& finding);

}  // namespace podfence::doctor
