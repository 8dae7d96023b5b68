#pragma once

#include <memory>
#include <optional>
#include <string>

#include <catch2/catch.hpp>

#include "nft/converge.hpp"
#include "nft/fake_kernel.hpp"
#include "nft/netlink_kernel.hpp"
#include "nft/plan.hpp"
#include "nft/text.hpp"
#include "test/support/netns.hpp"
#include "test/support/skip.hpp"

/// What the contract of nft::Kernel is tested on. One set of tests, two subjects:
///   CONTRACT_TEST("a commit is seen by the next dump") { ... kernel ... }
namespace podfence::test {

/// The kernel in memory.
class Fake {
  public:
    static std::optional<std::string> missing() { return std::nullopt; }
    nft::Kernel& kernel() { return kernel_; }

  private:
    nft::FakeKernel kernel_;
};

/// The kernel below us, in a network namespace of its own.
class Real {
  public:
    static std::optional<std::string> missing() { return PrivateNetns::missing(); }
    nft::NetlinkKernel& kernel() { return *kernel_; }

  private:
    PrivateNetns netns_;
    std::unique_ptr<nft::NetlinkKernel> kernel_ = nft::NetlinkKernel::open().value();
};

/// The whole table, or a failed test.
inline nft::Snapshot dump(nft::Kernel& kernel, const nft::TableId& id = {}) {
    auto snapshot = kernel.dump(id);
    if (!snapshot) FAIL("dump: " << to_string(snapshot.error()));
    return *std::move(snapshot);
}

/// Commits what must succeed.
inline void commit(nft::Kernel& kernel, const nft::Batch& batch,
                   std::optional<std::uint32_t> generation = std::nullopt) {
    if (const auto done = kernel.commit(batch, generation); !done) {
        FAIL(to_string(done.error()) << " at operation " << done.error().op.value_or(9999));
    }
}

/// Commits what must fail, and says how it did.
inline nft::Error refusal(nft::Kernel& kernel, const nft::Batch& batch,
                          std::optional<std::uint32_t> generation = std::nullopt) {
    const auto done = kernel.commit(batch, generation);
    if (done) FAIL("committed what should have been refused:\n" << nft::to_text(batch));
    return done.error();
}

/// The dump must be this table; on failure both are printed.
inline void check_holds(nft::Kernel& kernel, const nft::Table& want) {
    const nft::Snapshot snapshot = dump(kernel, want.id);
    REQUIRE(snapshot.table.has_value());
    if (*snapshot.table != want) {
        CHECK(nft::to_text(*snapshot.table) == nft::to_text(want));
        CHECK(snapshot.table->foreign == want.foreign);
    }
    CHECK((*snapshot.table == want));
}

/// Makes the table where there is none.
inline void make(nft::Kernel& kernel, const nft::Table& table) {
    commit(kernel, nft::plan(std::nullopt, table));
}

}  // namespace podfence::test

#define PODFENCE_CONTRACT_TEST_(function, name)                                    \
    static void function(::podfence::nft::Kernel& kernel);                         \
    TEMPLATE_TEST_CASE(name, "", ::podfence::test::Fake, ::podfence::test::Real) { \
        if (const auto why = TestType::missing()) PODFENCE_SKIP(*why);             \
        TestType subject;                                                          \
        function(subject.kernel());                                                \
    }                                                                              \
    static void function([[maybe_unused]] ::podfence::nft::Kernel& kernel)

/// A test case for each subject; its body has `kernel`, a fresh one.
#define CONTRACT_TEST(name) \
    PODFENCE_CONTRACT_TEST_(INTERNAL_CATCH_UNIQUE_NAME(contract_test_), name)
