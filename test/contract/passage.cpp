#include "nft/passage.hpp"

#include "test/contract/subject.hpp"
#include "test/contract/values.hpp"

// Waiting for packets, on the real kernel.

using namespace podfence;
using namespace podfence::nft;
using namespace podfence::test;

TEST_CASE("who waits for packets comes back, and nothing has changed") {
    if (const auto why = PrivateNetns::missing()) PODFENCE_SKIP(*why);
    Real real;
    make(real.kernel(), small_table());
    const auto before = real.kernel().dump({}).value();
    SECTION("by membarrier") {
        CHECK(await_packets().has_value());
    }
    SECTION("by a transaction that is refused") {
        CHECK(await_packets_by_refusal().has_value());
    }
    const auto after = real.kernel().dump({}).value();
    CHECK(after.generation == before.generation);
    CHECK((after.table == before.table));
}
