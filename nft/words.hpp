#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "nft/batch.hpp"

/// Figures as a person reads them.
namespace podfence::nft {

std::string with_thousands(std::size_t number);  ///< "12,345"
/// "1 chain", "12,345 policies"
std::string count_of(std::size_t count, std::string_view singular);
/// "+3 chains, ~1 chain refilled, -12 elements"; "nothing to change" for an empty batch.
std::string describe(const BatchSummary& summary);

}  // namespace podfence::nft
