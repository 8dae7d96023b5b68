// Bytes as the kernel might send them, into the decoder: whatever they are, no crash, and what
// comes out is a value that its own rules hold for.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "nft/error.hpp"
#include "nft/text.hpp"
#include "nft/wire_decode.hpp"

namespace {

using namespace podfence::nft;

template <class Items>
void check_sorted(const Items& items) {
    PODFENCE_CHECK(std::ranges::is_sorted(items));
    PODFENCE_CHECK(std::ranges::adjacent_find(items) == items.end());
}

void decode(TableFamily family, wire::Bytes datagrams) {
    wire::TableDecoder decoder({.family = family});
    wire::MessageReader reader(datagrams);
    while (const auto message = reader.next()) decoder.feed(*message);
    const Table table = std::move(decoder).finish();
    for (const auto& [name, set] : table.sets) check_sorted(set.elements);
    for (const auto& [name, map] : table.maps) check_sorted(map.entries);
    PODFENCE_CHECK(!to_text(table).empty());  // And it can be printed.
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    decode(podfence::nft::TableFamily::inet, {data, size});
    decode(podfence::nft::TableFamily::netdev, {data, size});
    return 0;
}
