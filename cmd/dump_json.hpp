#pragma once

#include <map>
#include <string>

#include "cmd/input.hpp"
#include "cmd/terminal.hpp"
#include "controller/compile.hpp"
#include "nft/ruleset.hpp"

namespace podfence::cmd {

/// The table as JSON: chains with their rules in nft syntax and their origins, sets, maps.
/// `left_out` counts elements that are not shown, by set. `interfaces` is the table of interfaces;
/// it and `input` may be nullptr.
void print_json(Output& out, const nft::Table& table,
                const std::map<std::string, ChainOrigin>& origins,
                const std::map<std::string, std::size_t>& left_out, const nft::Table* interfaces,
                const Input* input);

}  // namespace podfence::cmd
