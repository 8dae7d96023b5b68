#include <deque>
#include <optional>

#include <catch2/catch.hpp>

#include "nft/converge.hpp"
#include "nft/fake_kernel.hpp"
#include "nft/plan.hpp"
#include "nft/stages.hpp"
#include "test/support/random_table.hpp"

// The ladder of design §5, rung by rung, on a kernel that fails as told.

using namespace podfence;
using namespace podfence::nft;

namespace {

enum class Effect : std::uint8_t { refused, taken };  ///< taken: the batch, before the error.

struct Failure {
    Errc code{};
    Effect effect = Effect::refused;
};

/// A kernel whose next dumps and commits fail as queued; nullopt: this one does not.
class Failing final : public Kernel {
  public:
    std::deque<std::optional<Errc>> dumps;
    std::deque<std::optional<Failure>> commits;
    /// Kept up for all further commits.
    std::optional<Errc> every_commit;
    int committed_untied = 0;

    Result<Snapshot> dump(const TableId& table) override {
        if (!dumps.empty()) {
            const auto failure = dumps.front();
            dumps.pop_front();
            if (failure) return error(*failure);
        }
        return inner_.dump(table);
    }

    Result<std::size_t> commit(const Batch& batch,
                               std::optional<std::uint32_t> generation) override {
        if (every_commit) return error(*every_commit);
        if (!commits.empty()) {
            const auto failure = commits.front();
            commits.pop_front();
            if (failure) {
                if (failure->effect == Effect::taken) inner_.commit(batch, generation).value();
                return error(failure->code);
            }
        }
        if (!generation) ++committed_untied;
        return inner_.commit(batch, generation);
    }

    Result<std::size_t> claim(const TableId& table,
                              std::optional<std::uint32_t> generation) override {
        return inner_.claim(table, generation);
    }
    void await_packets() override { inner_.await_packets(); }
    Hold makes() const override { return inner_.makes(); }

  private:
    static Error error(Errc code) { return {.code = code, .os_error = 0, .doing = "as told"}; }

    FakeKernel inner_;
};

const Table& wanted() {
    static const Table table = test::random_table(7);
    return table;
}

void check_done(Failing& kernel, int attempts, bool rebuilt = false) {
    const auto converged = converge(kernel, wanted());
    REQUIRE(converged.has_value());
    CHECK(converged->attempts == attempts);
    CHECK(converged->rebuilt == rebuilt);
    CHECK_FALSE(converged->batch.empty());
    CHECK((kernel.dump(wanted().id)->table == wanted()));
}

}  // namespace

TEST_CASE("converge: one dump and one commit when nothing goes wrong") {
    Failing kernel;
    check_done(kernel, 1);
    SECTION("and none the second time") {
        const auto again = converge(kernel, wanted());
        REQUIRE(again.has_value());
        CHECK(again->batch.empty());
        CHECK(again->attempts == 1);
    }
}

TEST_CASE("converge: what a new view mends is tried again with a new view") {
    for (const Errc code :
         {Errc::stale, Errc::not_found, Errc::exists, Errc::busy, Errc::no_memory}) {
        Failing kernel;
        kernel.commits = {Failure{code}, Failure{code}};
        check_done(kernel, 3);
    }
}

TEST_CASE("converge: interrupted dumps are taken again") {
    Failing kernel;
    kernel.dumps = {Errc::interrupted, Errc::overrun, Errc::interrupted};
    check_done(kernel, 4);
}

TEST_CASE("converge: a lost answer is never sent again blindly") {
    Failing kernel;
    SECTION("the batch had been taken: the next dump shows it") {
        kernel.commits = {Failure{Errc::overrun, Effect::taken}};
    }
    SECTION("the batch had not been taken") {
        kernel.commits = {Failure{Errc::overrun}};
    }
    check_done(kernel, 2);
}

TEST_CASE("converge: others who commit all the time do not keep us from it") {
    Failing kernel;
    kernel.commits.assign(4, Failure{Errc::stale});
    check_done(kernel, 6);  // The fifth commits whatever the generation, the sixth proves it.
    CHECK(kernel.committed_untied ==
          static_cast<int>(Stages(plan(std::nullopt, wanted())).all().size()));
}

TEST_CASE("converge: a step that the kernel refuses leads to a new table in one batch") {
    for (const Errc code : {Errc::rejected, Errc::full}) {
        Failing kernel;
        REQUIRE(converge(kernel, test::random_table(8)).has_value());
        kernel.commits = {Failure{code}};
        const auto converged = converge(kernel, wanted());
        REQUIRE(converged.has_value());
        CHECK(converged->rebuilt);
        CHECK(std::holds_alternative<DeleteTable>(converged->batch.ops.front()));
        CHECK((kernel.dump(wanted().id)->table == wanted()));
    }
}

TEST_CASE("converge: what no retry mends comes back at once") {
    for (const Errc code : {Errc::not_permitted, Errc::not_supported, Errc::too_big, Errc::io}) {
        Failing kernel;
        kernel.every_commit = code;
        kernel.dumps = {std::nullopt};
        const auto converged = converge(kernel, wanted());
        REQUIRE_FALSE(converged.has_value());
        CHECK(converged.error().code == code);
        CHECK(kernel.dumps.empty());
    }
}

TEST_CASE("converge: gives up in the end, with the last error") {
    for (const Errc code : {Errc::stale, Errc::exists, Errc::rejected}) {
        Failing kernel;
        kernel.every_commit = code;
        const auto converged = converge(kernel, wanted());
        REQUIRE_FALSE(converged.has_value());
        CHECK(converged.error().code == code);
    }
}

TEST_CASE("remove: takes the table away, and is content without one") {
    Failing kernel;
    REQUIRE(converge(kernel, wanted()).has_value());
    kernel.commits = {Failure{Errc::stale}, Failure{Errc::overrun, Effect::taken}};
    const auto removed = remove(kernel, wanted().id);
    REQUIRE(removed.has_value());
    CHECK_FALSE(kernel.dump(wanted().id)->table.has_value());
    CHECK(remove(kernel, wanted().id)->batch.empty());
}
