#include <functional>
#include <memory>

#include "test/contract/subject.hpp"
#include "test/contract/values.hpp"

// Tables that have an owner: who may change them, while it lives and after it.

using namespace podfence;
using namespace podfence::nft;
using namespace podfence::test;

namespace {

/// Opens a port of one ruleset; destroying it closes the socket.
using Open = std::function<std::unique_ptr<Kernel>(Ownership)>;

class FakeSockets {
  public:
    static std::optional<std::string> missing() { return std::nullopt; }
    std::unique_ptr<Kernel> open(Ownership ownership) {
        return std::make_unique<FakeKernel>(ruleset_, ownership);
    }

  private:
    FakeKernel ruleset_;
};

class RealSockets {
  public:
    static std::optional<std::string> missing() {
        if (auto why = PrivateNetns::missing()) return why;
        const PrivateNetns netns;
        if (NetlinkKernel::open(Ownership::owned).value()->makes() == Hold::ours) {
            return std::nullopt;
        }
        return "the kernel does not know owners that their tables outlive (Linux 6.9)";
    }
    std::unique_ptr<Kernel> open(Ownership ownership) {
        return NetlinkKernel::open(ownership).value();
    }

  private:
    PrivateNetns netns_;
};

Hold hold_of(Kernel& kernel) {
    return dump(kernel).hold;
}

Converged converged(Kernel& kernel, const Table& want) {
    auto result = converge(kernel, want);
    if (!result) FAIL(to_string(result.error()));
    return *std::move(result);
}

const Op kSomething = AddSet{.name = "something", .spec = hash4()};

}  // namespace

#define PODFENCE_OWNING_TEST_(function, name)                                   \
    static void function(const Open& open);                                     \
    TEMPLATE_TEST_CASE(name, "", FakeSockets, RealSockets) {                    \
        if (const auto why = TestType::missing()) PODFENCE_SKIP(*why);          \
        TestType sockets;                                                       \
        function([&](Ownership ownership) { return sockets.open(ownership); }); \
    }                                                                           \
    static void function(const Open& open)
#define OWNING_TEST(name) PODFENCE_OWNING_TEST_(INTERNAL_CATCH_UNIQUE_NAME(owning_test_), name)

OWNING_TEST("nobody but its owner can change a table, and everybody can read it") {
    const auto owner = open(Ownership::owned);
    const auto other = open(Ownership::shared);
    make(*owner, small_table());
    const Op op = GENERATE(
        as<Op>{}, AddTable{}, DeleteTable{}, kSomething, DeleteSet{"pods"},
        AddElements{.set = "pods", .spec = hash4(16), .elements = {one(77)}},
        AddChain{.name = "x", .base = {}, .comment = {}}, FlushChain{"forward-in"},
        AddRules{.chain = "class", .rules = {{.statements = {Verdict{VerdictKind::accept}}}}});
    const Error error = refusal(*other, {.table = {}, .ops = {op, kSomething}});
    CHECK(error.code == Errc::owned);
    CHECK(error.op == std::optional<std::size_t>(0));
    CHECK(to_string(error).find("another process owns the table") != std::string::npos);
    CHECK(converge(*other, Table{}).error().code == Errc::owned);
    CHECK(nft::remove(*other, {}).error().code == Errc::owned);
    check_holds(*other, small_table());
    CHECK(hold_of(*other) == Hold::others);
    CHECK(hold_of(*owner) == Hold::ours);
    check_holds(*owner, small_table());
    commit(*owner, {.table = {}, .ops = {kSomething}});
    const auto second = open(Ownership::owned);
    CHECK(hold_of(*second) == Hold::others);
    CHECK(second->claim({}, std::nullopt).error().code == Errc::owned);
}

OWNING_TEST("a table outlives its owner, and anybody may change and delete it then") {
    auto owner = open(Ownership::owned);
    const auto other = open(Ownership::shared);
    make(*owner, small_table());
    owner.reset();
    check_holds(*other, small_table());
    CHECK(hold_of(*other) == Hold::orphan);
    commit(*other, {.table = {}, .ops = {kSomething}});
    CHECK_FALSE(converged(*other, small_table()).batch.empty());
    CHECK(hold_of(*other) == Hold::orphan);
    REQUIRE(nft::remove(*other, {}).has_value());
    make(*other, small_table());
    CHECK(hold_of(*other) == Hold::anyone);
}

OWNING_TEST("the next owner takes over what the last one left, without changing it") {
    auto owner = open(Ownership::owned);
    make(*owner, small_table());
    owner = open(Ownership::owned);
    const std::uint32_t before = dump(*owner).generation;
    const Converged taken = converged(*owner, small_table());
    CHECK(taken.batch.empty());
    CHECK(taken.attempts == 1);
    CHECK(taken.hold == Hold::ours);
    CHECK(dump(*owner).generation == advance(before, 1));
    CHECK(hold_of(*owner) == Hold::ours);
    const auto other = open(Ownership::shared);
    CHECK(refusal(*other, {.table = {}, .ops = {kSomething}}).code == Errc::owned);
}

OWNING_TEST("what the last owner left is taken over and repaired in one attempt") {
    auto owner = open(Ownership::owned);
    make(*owner, small_table());
    owner.reset();
    commit(*open(Ownership::shared), {.table = {}, .ops = {kSomething}});
    owner = open(Ownership::owned);
    const Converged taken = converged(*owner, small_table());
    CHECK(taken.batch.ops.size() == 1);
    CHECK(taken.attempts == 1);
    CHECK(taken.hold == Hold::ours);
    check_holds(*owner, small_table());
}

OWNING_TEST("a table without an owner is left without, until it is made anew") {
    const auto shared = open(Ownership::shared);
    const auto owner = open(Ownership::owned);
    make(*shared, small_table());
    CHECK(owner->claim({}, std::nullopt).error().code == Errc::not_supported);
    const Converged adopted = converged(*owner, small_table());
    CHECK(adopted.batch.empty());
    CHECK(adopted.hold == Hold::anyone);
    Table other = small_table();
    other.chains.at("forward-in").comment = "cannot be changed in place";
    const Converged rebuilt = converged(*owner, other);
    CHECK(rebuilt.hold == Hold::ours);
    CHECK(hold_of(*owner) == Hold::ours);
    CHECK(refusal(*shared, {.table = {}, .ops = {kSomething}}).code == Errc::owned);
    check_holds(*shared, other);
}

OWNING_TEST("a claim that comes too late is refused, and who shares makes none") {
    auto owner = open(Ownership::owned);
    make(*owner, small_table());
    owner.reset();
    const auto shared = open(Ownership::shared);
    const std::uint32_t generation = dump(*shared).generation;
    CHECK(shared->claim({}, std::nullopt).value() == 0);
    CHECK(hold_of(*shared) == Hold::orphan);
    commit(*shared, {.table = {}, .ops = {kSomething}});
    owner = open(Ownership::owned);
    CHECK(owner->claim({}, generation).error().code == Errc::stale);
    CHECK(owner->claim({}, advance(generation, 1)).value() == 1);
    CHECK(hold_of(*owner) == Hold::ours);
}

OWNING_TEST("a table that is gone when it is claimed is made, empty") {
    const auto owner = open(Ownership::owned);
    CHECK(owner->claim({}, std::nullopt).value() == 1);
    check_holds(*owner, Table{});
    CHECK(hold_of(*owner) == Hold::ours);
}

OWNING_TEST("a table that takes several transactions is owned from the first") {
    const auto owner = open(Ownership::owned);
    Table table = small_table();
    Set& set = table.sets["large"];
    set.spec = hash4(65536);
    for (std::uint32_t i = 0; i < 40'000; ++i) set.elements.push_back(one(i));
    CHECK(converged(*owner, table).hold == Hold::ours);
    check_holds(*owner, table);
    CHECK(hold_of(*owner) == Hold::ours);
}

TEST_CASE("where the kernel does not know owners, tables are shared") {
    FakeKernel ruleset(Ownership::shared, false);
    FakeKernel owner(ruleset, Ownership::owned);
    CHECK(owner.makes() == Hold::anyone);
    CHECK(converged(owner, small_table()).hold == Hold::anyone);
    commit(ruleset, {.table = {}, .ops = {kSomething}});
    CHECK(owner.claim({}, std::nullopt).value() == 0);
    CHECK_FALSE(converged(owner, small_table()).batch.empty());
    check_holds(ruleset, small_table());
}

TEST_CASE("asking whether the kernel knows owners changes nothing, and nobody is told of it") {
    if (const auto why = PrivateNetns::missing()) PODFENCE_SKIP(*why);
    const PrivateNetns netns;
    const auto kernel = NetlinkKernel::open().value();
    const std::uint32_t before = dump(*kernel).generation;
    const auto owner = NetlinkKernel::open(Ownership::owned).value();
    CHECK(dump(*kernel, {.name = "podfence-probe"}).table == std::nullopt);
    CHECK(dump(*kernel).generation == before);
}

TEST_CASE("nft leaves alone what it does not own, and flushes the rest") {
    if (const auto why = RealSockets::missing()) PODFENCE_SKIP(*why);
    if (const auto why = nft_missing()) PODFENCE_SKIP(*why);
    RealSockets sockets;
    auto owner = sockets.open(Ownership::owned);
    make(*owner, small_table());
    run_shell("nft add table inet stranger");
    run_shell("nft flush ruleset");
    check_holds(*owner, small_table());
    CHECK_FALSE(dump(*owner, {.name = "stranger"}).table.has_value());
    CHECK_THROWS(run_shell("nft delete table inet podfence"));
    CHECK_THROWS(run_shell("nft insert rule inet podfence forward-in accept"));
    check_holds(*owner, small_table());
    owner.reset();
    run_shell("nft delete table inet podfence");  // What an operator does whose agent is gone.
}
