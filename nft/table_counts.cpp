#include "nft/table_counts.hpp"

namespace podfence::nft {

TableCounts& TableCounts::operator+=(const TableCounts& other) {
    chains += other.chains;
    rules += other.rules;
    sets += other.sets;
    elements += other.elements;
    return *this;
}

TableCounts count(const Table& table) {
    TableCounts counts{.chains = table.chains.size(),
                       .sets = table.sets.size() + table.maps.size()};
    for (const auto& [name, chain] : table.chains) counts.rules += chain.rules.size();
    for (const auto& [name, set] : table.sets) counts.elements += set.elements.size();
    for (const auto& [name, map] : table.maps) counts.elements += map.entries.size();
    return counts;
}

}  // namespace podfence::nft
