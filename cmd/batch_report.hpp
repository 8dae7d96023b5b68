#pragma once

#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "nft/batch.hpp"

namespace podfence::cmd {

boost::json::value to_json(const nft::BatchSummary& summary);

/// One operation as a person reads a difference: `sign` is '+', '-' or '~'.
struct DiffLine {
    char sign = '+';
    std::string text;
};
/// The batch, operations in their order, each in nft syntax, long ones over several lines.
std::vector<DiffLine> diff_lines(const nft::Batch& batch);

}  // namespace podfence::cmd
