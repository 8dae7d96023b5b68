#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "nft/error.hpp"
#include "nft/ruleset.hpp"
#include "nft/wire_attr.hpp"

namespace podfence::nft {

struct Counted {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    friend bool operator==(const Counted&, const Counted&) = default;
};

/// What the counters of each chain's rules have counted, together; chains without a counter are not
/// among them. No table: none. Numbers are no part of the ruleset's value: this is all that reads
/// them. Of the network namespace that the calling thread is in. Errors: not_permitted,
/// not_supported, overrun, io.
Result<std::map<std::string, Counted>> read_rule_counters(const TableId& table);

/// Adds the counters of a dumped rule, if it is one of this table. Trusts no length in it.
void count_rule(const wire::Message& message, const TableId& table,
                std::map<std::string, Counted>& counted);

}  // namespace podfence::nft
