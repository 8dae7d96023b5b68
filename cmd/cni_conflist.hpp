#pragma once

#include <string>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/system/result.hpp>

/// Other people's CNI configuration, changed as little as can be: only our plugin's own text comes
/// and goes, so that what is there after both is what was there before, to the byte.
namespace podfence::cmd {

inline constexpr std::string_view kCniPlugin = "podfence-cni";

/// Why a text cannot be changed.
struct ConflistError {
    std::string message{};
};
template <class T>
using ConflistResult = boost::system::result<T, ConflistError>;
[[noreturn]] void throw_exception_from_error(const ConflistError& error,
                                             const boost::source_location& where);

/// The text of a network configuration list with `plugin` as its last plugin, and once. The same
/// text if that is so already. Errors: it is no list, or not one that plugins can be added to.
ConflistResult<std::string> with_plugin(const std::string& text, const boost::json::object& plugin);
/// The text without our plugin; the same text if it is not there.
ConflistResult<std::string> without_plugin(const std::string& text);

}  // namespace podfence::cmd
