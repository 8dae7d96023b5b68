#include <csignal>
#include <cstdlib>
#include <fstream>
#include <set>
#include <thread>

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/contract/subject.hpp"
#include "test/contract/values.hpp"
#include "test/support/random_table.hpp"

// Several of us at once, death in the middle of it, small buffers, no rights. Only on the real
// kernel.

using namespace podfence;
using namespace podfence::nft;
using namespace podfence::test;

namespace {

/// Runs `work` in a child process; its result is the exit status.
template <class Work>
pid_t start_child(Work work) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) ::_exit(work());
    return child;
}

int wait_for(pid_t child) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Table large_table(std::uint32_t elements) {
    Table table = small_table();
    Set& set = table.sets["large"];
    set.spec = hash4(elements);
    for (std::uint32_t i = 0; i < elements; ++i) set.elements.push_back(one(i));
    table.chains.at("class").rules.push_back(
        {.statements = {MatchSet{{Field::ip_saddr}, "large"}, Verdict{}}});
    return table;
}

}  // namespace

TEST_CASE("several who converge to different tables at once: one of them wins, whole") {
    if (const auto why = PrivateNetns::missing()) PODFENCE_SKIP(*why);
    Real real;
    constexpr std::uint64_t kThreads = 3;
    std::vector<std::thread> threads;
    std::atomic<int> failures = 0;
    for (std::uint64_t t = 0; t < kThreads; ++t) {
        threads.emplace_back([t, &failures] {
            const auto kernel = NetlinkKernel::open();
            for (int i = 0; i < 30; ++i) {
                const auto done = converge(**kernel, random_table(100 + t));
                // Giving up is allowed while others win; breaking anything is not.
                const bool fine =
                    done || done.error().code == Errc::stale ||
                    done.error().code == Errc::interrupted || done.error().code == Errc::exists ||
                    done.error().code == Errc::not_found || done.error().code == Errc::busy;
                if (!fine) ++failures;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(failures == 0);
    const Snapshot last = dump(real.kernel());
    bool known = false;
    for (std::uint64_t t = 0; t < kThreads; ++t) known |= last.table == random_table(100 + t);
    CHECK(known);
    REQUIRE(converge(real.kernel(), small_table()).has_value());
    check_holds(real.kernel(), small_table());
}

namespace {

template <class Items>
bool all_there(const Items& have, const Items& want) {
    return std::ranges::all_of(want, [&](const auto& item) {
        const auto found = have.find(item.first);
        return found != have.end() && found->second == item.second;
    });
}

std::set<std::string> base_chains(const Table& table) {
    std::set<std::string> names;
    for (const auto& [name, chain] : table.chains) {
        if (chain.base) names.insert(name);
    }
    return names;
}

/// Whether everything of `want` is there as it should be, and no hook calls anything else.
bool holds(const Table& have, const Table& want) {
    return have.flags == want.flags && base_chains(have) == base_chains(want) &&
           all_there(have.sets, want.sets) && all_there(have.maps, want.maps) &&
           all_there(have.chains, want.chains);
}

}  // namespace

TEST_CASE("killed in the middle of commits, the next run converges") {
    if (const auto why = PrivateNetns::missing()) PODFENCE_SKIP(*why);
    Real real;
    const std::vector<Table> tables{large_table(3000), random_table(200), random_table(201)};
    for (int round = 0; round < 25; ++round) {
        std::array<int, 2> pipe{};
        REQUIRE(::pipe2(pipe.data(), O_CLOEXEC) == 0);
        const pid_t child = start_child([&] {
            const auto kernel = NetlinkKernel::open();
            for (std::size_t i = 0;; ++i) {
                if (!converge(**kernel, tables[i % tables.size()])) return 1;
                if (::write(pipe[1], "x", 1) != 1) return 1;
            }
        });
        ::close(pipe[1]);
        for (int commits = 0; commits < 1 + round % 5; ++commits) {
            char byte = 0;
            REQUIRE(::read(pipe[0], &byte, 1) == 1);
        }
        ::kill(child, SIGKILL);
        CHECK(wait_for(child) == 128 + SIGKILL);
        ::close(pipe[0]);
        // A dead process leaves one of its tables whole. Killed between two stages it also leaves
        // what packets do not meet: nothing of the whole table refers to it.
        const Snapshot left = dump(real.kernel());
        REQUIRE(left.table);
        CHECK(std::ranges::any_of(tables, [&](const Table& t) { return holds(*left.table, t); }));
        REQUIRE(converge(real.kernel(), small_table()).has_value());
        check_holds(real.kernel(), small_table());
    }
}

namespace {

/// Becomes root of a user namespace only: buffers cannot be forced beyond net.core.*mem_max there.
bool enter_user_namespace() {
    const uid_t uid = ::getuid();
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
    std::ofstream("/proc/self/uid_map") << "0 " << uid << " 1";
    return true;
}

constexpr int kNoUserNamespaces = 77;

/// Longer than any datagram of a socket that may not force its buffer: the kernel doubles
/// net.core.wmem_max. Long comments do it, since the kernel's dumps of many elements are quadratic.
/// To be called before entering another network namespace: Linux 6.1 hides the limit in those.
Table oversized_table() {
    std::size_t bytes = 0;
    std::ifstream("/proc/sys/net/core/wmem_max") >> bytes;
    REQUIRE(bytes > 0);
    Table table = small_table();
    Map& map = table.maps["oversized"];
    const auto entries = static_cast<std::uint32_t>(2 * bytes / kCommentBytesMax);
    map.spec = hash4(entries);  // Else it grows while it is dumped, which loses some.
    const std::string comment(kCommentBytesMax, 'c');
    for (std::uint32_t i = 0; i < entries; ++i) {
        map.entries.push_back({.key = one(i), .verdict = go_to("deny"), .comment = comment});
    }
    table.chains.at("class").rules.push_back(
        {.statements = {LookupVerdict{{Field::ip_saddr}, "oversized"}}});
    return table;
}

}  // namespace

TEST_CASE("with a small send buffer a large batch goes in parts, the switch in one") {
    if (const auto why = PrivateNetns::missing()) PODFENCE_SKIP(*why);
    const Table want = oversized_table();
    const pid_t child = start_child([&want] {
        if (!enter_user_namespace()) return kNoUserNamespaces;
        const auto kernel = NetlinkKernel::open();
        if (!kernel) return 1;
        const auto done = converge(**kernel, want);
        if (!done || done->rebuilt) return 2;
        if (done->attempts != 1) return 7;  // Its own transactions do not make the dump stale.
        const auto seen = (*kernel)->dump(want.id);
        if (!seen || seen->table != want) return 3;
        // In more than one transaction.
        if (seen->generation < 3) return 4;
        // What lies in a table that is deleted in the same batch cannot go early.
        Batch rebuild = plan(std::nullopt, want);
        rebuild.ops.insert(rebuild.ops.begin(), DeleteTable{});
        const auto refused = (*kernel)->commit(rebuild, std::nullopt);
        if (refused || refused.error().code != Errc::too_big) return 5;
        const auto still = (*kernel)->dump(want.id);
        return still && still->table == want ? 0 : 6;
    });
    const int status = wait_for(child);
    if (status == kNoUserNamespaces) PODFENCE_SKIP("no user namespace can be made");
    CHECK(status == 0);
}

TEST_CASE("with a small send buffer what fails at the end leaves nothing of its beginning") {
    if (const auto why = PrivateNetns::missing()) PODFENCE_SKIP(*why);
    Batch batch = plan(small_table(), oversized_table());
    const pid_t child = start_child([&batch] {
        if (!enter_user_namespace()) return kNoUserNamespaces;
        const auto kernel = NetlinkKernel::open();
        if (!kernel || !converge(**kernel, small_table())) return 1;
        batch.ops.emplace_back(DeleteChain{"gone"});
        const auto before = (*kernel)->dump({});
        const auto refused = (*kernel)->commit(batch, before->generation);
        if (refused || refused.error().code != Errc::not_found) return 2;
        if (refused.error().op != batch.ops.size() - 1) return 3;
        const auto after = (*kernel)->dump({});
        return after && after->table == small_table() ? 0 : 4;
    });
    const int status = wait_for(child);
    if (status == kNoUserNamespaces) PODFENCE_SKIP("no user namespace can be made");
    CHECK(status == 0);
}

TEST_CASE("without CAP_NET_ADMIN opening says so") {
    if (::getuid() != 0) PODFENCE_SKIP("only root can become a user without rights");
    constexpr uid_t kNobody = 65534;
    const pid_t child = start_child([] {
        if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 1;
        const auto kernel = NetlinkKernel::open();
        return !kernel && kernel.error().code == Errc::not_permitted ? 0 : 2;
    });
    CHECK(wait_for(child) == 0);
}
