#include "nft/converge.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <iterator>

#include "nft/plan.hpp"
#include "nft/stages.hpp"

namespace podfence::nft {

namespace {

/// Commits that are refused when anyone changed the ruleset since the dump. Cheap to lose once or
/// twice, but others may commit all the time.
constexpr int kTiedAttemptsMax = 4;
/// Commits without that condition; each is proved by another dump.
constexpr int kUntiedAttemptsMax = 4;
/// Deleting and making the table anew in one batch.
constexpr int kRebuildAttemptsMax = 3;

enum class Remedy : std::uint8_t {
    dump_again,  ///< The view was stale, or it is not known what happened.
    rebuild,     ///< The kernel does not take this step from what it has.
    none,
};

Remedy remedy_for(Errc code) {
    switch (code) {
        case Errc::stale:
        case Errc::interrupted:
        case Errc::not_found:
        case Errc::exists:
        case Errc::busy:
        case Errc::overrun:
        case Errc::no_memory:
            return Remedy::dump_again;
        case Errc::full:
        case Errc::rejected:
        case Errc::malformed:
            return Remedy::rebuild;
        case Errc::not_permitted:
        case Errc::owned:
        case Errc::not_supported:
        case Errc::too_big:
        case Errc::io:
            return Remedy::none;
    }
    return Remedy::none;
}

/// From what the kernel has (nullopt: no such table) to what is wanted; empty: it is there.
using Plan = std::function<Batch(const std::optional<Table>&)>;

/// The last stage. Not tied to a generation, since it takes its time: whoever refers to any of it
/// by now has it refused.
Result<std::size_t> delete_late(Kernel& kernel, const Batch& late) {
    if (late.empty()) return std::size_t{0};
    kernel.await_packets();
    return commit_each(kernel, std::array{late}, std::nullopt);
}

/// The ladder. `rebuild` may be null: then there is no such rung.
class Ladder {
  public:
    Ladder(Kernel& kernel, const TableId& table) : kernel_(kernel), table_(table) {}

    Result<Converged> climb(const Plan& plan, const Plan& rebuild) {
        for (int i = 0; i < kTiedAttemptsMax + kUntiedAttemptsMax; ++i) {
            const bool tied = i < kTiedAttemptsMax;
            if (step(plan, {.tied = tied, .enough = tied})) {
                return std::move(result_);
            }
            const Remedy remedy = remedy_for(error_.code);
            if (remedy == Remedy::none) {
                return error_;
            }
            if (remedy == Remedy::rebuild) {
                break;
            }
        }
        for (int i = 0; rebuild && i < kRebuildAttemptsMax; ++i) {
            result_.rebuilt = true;
            // What was there before does not matter, so nobody can make this batch wrong.
            if (step(rebuild, {.tied = false, .enough = true})) {
                return std::move(result_);
            }
            if (remedy_for(error_.code) == Remedy::none) {
                break;
            }
        }
        return error_;
    }

  private:
    struct Way {
        bool tied = true;    ///< Refused when the ruleset has changed since the dump.
        bool enough = true;  ///< The commit is proof that the kernel holds what is wanted.
    };

    /// One dump, and one commit a stage. True: the kernel is known to hold what is wanted.
    bool step(const Plan& plan, Way way) {
        error_ = {};
        auto snapshot = kernel_.dump(table_);
        ++result_.attempts;
        if (!snapshot) {
            error_ = snapshot.error();
            return false;
        }
        auto generation = way.tied ? std::optional(snapshot->generation) : std::nullopt;
        if (!keep(*snapshot, generation)) {
            return false;
        }
        Batch batch = plan(snapshot->table);
        if (batch.empty()) {
            return true;
        }
        const Stages stages(batch);
        auto committed = commit_each(kernel_, stages.up_to_turn(), generation);
        if (std::ranges::any_of(batch.ops, is_add_table)) {
            result_.hold = kernel_.makes();
        }
        if (committed || committed.error().code == Errc::overrun) {
            gather(std::move(batch));  // An overrun leaves open whether it was.
        }
        if (committed) committed = delete_late(kernel_, stages.late);
        if (!committed) {
            error_ = committed.error();
        } else if (!way.enough) {
            // Others may have changed our table between the dump and the commit.
            error_ = {.code = Errc::stale, .doing = "confirm the commit"};
        }
        return committed && way.enough;
    }

    /// What an attempt did whose last stage failed, the next one does not do again.
    void gather(Batch batch) {
        auto& ops = result_.batch.ops;
        result_.batch.table = batch.table;
        std::erase_if(batch.ops,
                      [&](const Op& op) { return std::ranges::find(ops, op) != ops.end(); });
        std::ranges::move(batch.ops, std::back_inserter(ops));
    }

    static bool is_add_table(const Op& op) { return std::holds_alternative<AddTable>(op); }

    /// Claims what may be claimed.
    bool keep(const Snapshot& snapshot, std::optional<std::uint32_t>& generation) {
        result_.hold = snapshot.hold;
        if (snapshot.hold != Hold::orphan) return true;
        const auto claimed = kernel_.claim(table_, generation);
        if (!claimed) {
            error_ = claimed.error();
            return false;
        }
        if (*claimed > 0) result_.hold = Hold::ours;
        if (generation) generation = advance(*generation, *claimed);
        return true;
    }

    Kernel& kernel_;
    const TableId& table_;
    Converged result_;
    Error error_{};
};

}  // namespace

Result<std::size_t> commit_each(Kernel& kernel, std::span<const Batch> stages,
                                std::optional<std::uint32_t> generation) {
    std::size_t transactions = 0;
    for (const Batch& stage : stages) {
        const auto expected =
            generation ? std::optional(advance(*generation, transactions)) : std::nullopt;
        const auto committed = kernel.commit(stage, expected);
        if (!committed) {
            Error error = committed.error();
            if (error.op && *error.op < stage.ops.size()) {
                if (const auto* object = object_of(stage.ops[*error.op])) error.object = *object;
            }
            return error;
        }
        transactions += *committed;
    }
    return transactions;
}

Result<std::size_t> commit_stages(Kernel& kernel, const Batch& batch,
                                  std::optional<std::uint32_t> generation) {
    const Stages stages(batch);
    auto turned = commit_each(kernel, stages.up_to_turn(), generation);
    if (!turned) return turned;
    auto deleted = delete_late(kernel, stages.late);
    if (!deleted) return deleted;
    return *turned + *deleted;
}

Result<Batch> difference(Kernel& kernel, const Table& want) {
    constexpr std::chrono::milliseconds kPatience{300};
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (true) {
        const auto snapshot = kernel.dump(want.id);
        if (!snapshot) return snapshot.error();
        Batch batch = plan(snapshot->table, want);
        const bool only_late = !batch.empty() && Stages(batch).up_to_turn().empty();
        if (!only_late || std::chrono::steady_clock::now() > until) return batch;
        kernel.await_packets();
    }
}

Result<Converged> converge(Kernel& kernel, const Table& want) {
    const Plan step = [&](const std::optional<Table>& have) { return plan(have, want); };
    const Plan rebuild = [&](const std::optional<Table>& have) {
        Batch batch = plan(std::nullopt, want);
        if (have) {
            batch.ops.insert(batch.ops.begin(), DeleteTable{});
        }
        return batch;
    };
    return Ladder(kernel, want.id).climb(step, rebuild);
}

Result<Converged> remove(Kernel& kernel, const TableId& table) {
    const Plan step = [&](const std::optional<Table>& have) { return plan_removal(have, table); };
    return Ladder(kernel, table).climb(step, nullptr);
}

}  // namespace podfence::nft
