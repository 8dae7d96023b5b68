#pragma once

#include <cstdint>

#include <boost/system/result.hpp>

namespace podfence::cmd {

/// What the process ends with; scripts rely on the numbers.
enum class Exit : std::uint8_t {
    fine = 0,
    finding = 1,  ///< A difference, a denied flow, an error in the input that failed closed.
    usage = 2,    ///< Bad usage or bad input: nothing was done.
    failure = 3,  ///< The kernel refused, a privilege is missing, output could not be written.
};

/// The worse of two, for commands that do several things.
constexpr Exit worst(Exit a, Exit b) {
    return a < b ? b : a;
}

/// A value, or the status to end with when the reason has been said on stderr already.
template <class T>
using Outcome = boost::system::result<T, Exit>;

}  // namespace podfence::cmd
