#include "nft/fake_kernel.hpp"

#include <cerrno>
#include <string>
#include <type_traits>
#include <utility>

#include "nft/error.hpp"
#include "nft/fake_form.hpp"
#include "nft/fake_transaction.hpp"

namespace podfence::nft {

namespace {

std::string describe(const TableId& id) {
    return std::string(id.family == TableFamily::inet ? "inet " : "netdev ") + id.name;
}

/// The first operation of which there is a message at all, as only then the kernel looks.
std::optional<std::size_t> first_message(const Batch& batch) {
    const auto says_nothing = [](const auto& op) {
        using T = std::decay_t<decltype(op)>;
        if constexpr (std::is_same_v<T, AddElements> || std::is_same_v<T, DeleteElements>) {
            return op.elements.empty();
        } else if constexpr (std::is_same_v<T, AddEntries> || std::is_same_v<T, DeleteEntries>) {
            return op.entries.empty();
        } else if constexpr (std::is_same_v<T, AddRules>) {
            return op.rules.empty();
        } else {
            return false;
        }
    };
    for (std::size_t i = 0; i < batch.ops.size(); ++i) {
        if (!std::visit(says_nothing, batch.ops[i])) return i;
    }
    return std::nullopt;
}

}  // namespace

FakeKernel::FakeKernel(Ownership ownership, bool knows_owners)
    : ruleset_(std::make_shared<Ruleset>()), ownership_(ownership) {
    ruleset_->knows_owners = knows_owners;
}

FakeKernel::FakeKernel(FakeKernel& beside, Ownership ownership)
    : ruleset_(beside.ruleset_), ownership_(ownership) {}

FakeKernel::~FakeKernel() {
    for (auto& [id, held] : ruleset_->tables) {
        if (held.owner == this) held.owner = nullptr;
    }
}

Hold FakeKernel::makes() const {
    const bool owned = ownership_ == Ownership::owned && ruleset_->knows_owners;
    return owned ? Hold::ours : Hold::anyone;
}

bool FakeKernel::owned_by_others(const TableId& table) const {
    const auto entry = ruleset_->tables.find(table);
    return entry != ruleset_->tables.end() && entry->second.owner != nullptr &&
           entry->second.owner != this;
}

Result<Snapshot> FakeKernel::dump(const TableId& table) {
    if (fault_) {
        if (auto error = fault_()) return *error;
    }
    Snapshot snapshot{.table = std::nullopt, .generation = ruleset_->generation};
    const auto entry = ruleset_->tables.find(table);
    if (entry == ruleset_->tables.end()) return snapshot;
    const Held& held = entry->second;
    snapshot.table = held.table;
    if (held.owner != nullptr) {
        snapshot.hold = held.owner == this ? Hold::ours : Hold::others;
    } else if (held.persists) {
        snapshot.hold = Hold::orphan;
    }
    return snapshot;
}

Result<std::size_t> FakeKernel::claim(const TableId& table,
                                      std::optional<std::uint32_t> generation) {
    if (fault_) {
        if (auto error = fault_()) return *error;
    }
    if (makes() != Hold::ours) return std::size_t{0};
    const auto doing = "commit to " + describe(table);
    if (generation && *generation != ruleset_->generation) {
        return Error{.code = Errc::stale, .os_error = ERESTART, .doing = doing};
    }
    if (owned_by_others(table)) {
        return Error{.code = Errc::owned, .os_error = EPERM, .doing = doing, .op = 0};
    }
    const auto [entry, made] =
        ruleset_->tables.try_emplace(table, Held{.table = {.id = table}, .persists = true});
    if (!entry->second.persists) {
        return Error{.code = Errc::not_supported, .os_error = EOPNOTSUPP, .doing = doing, .op = 0};
    }
    entry->second.owner = this;
    ++ruleset_->generation;
    return std::size_t{1};
}

Result<std::size_t> FakeKernel::commit(const Batch& batch,
                                       std::optional<std::uint32_t> generation) {
    if (fault_) {
        if (auto error = fault_()) return *error;
    }
    const auto doing = "commit to " + describe(batch.table);
    for (std::size_t i = 0; i < batch.ops.size(); ++i) {
        if (is_well_formed(batch.table, batch.ops[i])) continue;
        return Error{.code = Errc::rejected, .os_error = EINVAL, .doing = doing, .op = i};
    }
    if (generation && *generation != ruleset_->generation) {
        return Error{.code = Errc::stale, .os_error = ERESTART, .doing = doing};
    }
    const auto first = first_message(batch);
    if (!first) return std::size_t{0};
    if (owned_by_others(batch.table)) {
        return Error{.code = Errc::owned, .os_error = EPERM, .doing = doing, .op = first};
    }
    const auto entry = ruleset_->tables.find(batch.table);
    std::optional<Table> table;
    if (entry != ruleset_->tables.end()) table = entry->second.table;
    const auto outcome = fake::run(batch, table);
    if (outcome.error != 0) {
        return Error{.code = classify(outcome.error),
                     .os_error = outcome.error,
                     .doing = doing,
                     .op = outcome.op};
    }
    if (!outcome.changed) return std::size_t{0};
    if (!table) {
        ruleset_->tables.erase(batch.table);
    } else if (outcome.made) {
        const bool owned = makes() == Hold::ours;
        ruleset_->tables.insert_or_assign(
            batch.table,
            Held{.table = *std::move(table), .persists = owned, .owner = owned ? this : nullptr});
    } else {
        entry->second.table = *std::move(table);
    }
    ++ruleset_->generation;
    return std::size_t{1};
}

}  // namespace podfence::nft
