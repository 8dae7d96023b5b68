#pragma once

// The agent as a process on a node of its own, watched from outside; and somebody who does by hand
// what it does.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/types.h>
#include <unistd.h>

#include "controller/desired.hpp"
#include "nft/converge.hpp"
#include "nft/monitor.hpp"
#include "nft/netlink_kernel.hpp"
#include "nft/plan.hpp"
#include "nft/stages.hpp"
#include "test/bench/api_server.hpp"
#include "test/support/lab_child.hpp"
#include "test/support/lab_netns.hpp"
#include "test/support/paths.hpp"
#include "test/support/scale.hpp"

namespace podfence::bench {

using Clock = std::chrono::steady_clock;

/// As the agent is run.
inline const CompileOptions kRules{.node = test::kScaleNode};

/// All processors for children that are started meanwhile; this program has one for itself.
class AllProcessors {
  public:
    AllProcessors() {
        ::sched_getaffinity(0, sizeof before_, &before_);
        cpu_set_t all;
        CPU_ZERO(&all);
        for (long i = 0; i < ::sysconf(_SC_NPROCESSORS_ONLN); ++i)
            CPU_SET(static_cast<std::size_t>(i), &all);
        ::sched_setaffinity(0, sizeof all, &all);
    }
    ~AllProcessors() { ::sched_setaffinity(0, sizeof before_, &before_); }
    AllProcessors(const AllProcessors&) = delete;
    AllProcessors& operator=(const AllProcessors&) = delete;

  private:
    cpu_set_t before_{};
};

template <class T>
T must(nft::Result<T> result) {
    if (!result) lab::fail(to_string(result.error()));
    return *std::move(result);
}

/// When the table was last changed by anybody but this program's own kernel.
class Commits {
  public:
    explicit Commits(std::uint32_t own_port)
        : monitor_(must(nft::Monitor::open(kRules.table, own_port))) {}

    /// The time of the last commit when for so long none has followed; nullopt: none came in time.
    std::optional<Clock::time_point> await_last(std::chrono::milliseconds quiet,
                                                std::chrono::milliseconds limit) {
        std::optional<Clock::time_point> last;
        while (read(last ? quiet : limit) > 0) last = read_at_;
        return last;
    }
    /// The time of the last of so many commits; nullopt: they did not come in time.
    std::optional<Clock::time_point> await(std::size_t count, std::chrono::milliseconds limit) {
        while (count > 0) {
            const std::size_t seen = read(limit);
            if (seen == 0) return std::nullopt;
            if (seen > count) lab::fail("more commits than expected");
            count -= seen;
        }
        return read_at_;
    }

  private:
    /// How many commits there were to read; 0: none within this time.
    std::size_t read(std::chrono::milliseconds limit) {
        while (true) {
            pollfd events{.fd = monitor_.fd(), .events = POLLIN, .revents = 0};
            if (::poll(&events, 1, static_cast<int>(limit.count())) != 1) return 0;
            read_at_ = Clock::now();
            const auto notices = must(monitor_.read());
            if (notices.lost) lab::fail("notifications of commits were lost");
            if (!notices.foreign.empty()) return notices.foreign.size();
        }
    }

    nft::Monitor monitor_;
    Clock::time_point read_at_{};
};

/// A node: a network namespace, an API server on its loopback, and the agent.
class Node {
  public:
    /// `options`: of the agent, besides the usual ones.
    explicit Node(const test::Scale& scale, std::vector<std::string> options = {})
        : options_(std::move(options)),
          cluster_(test::scale_cluster(scale)),
          netns_(lab::NetNs::create(claim_.name("bench"))),
          stay_(netns_.enter()),
          kernel_(must(nft::NetlinkKernel::open())),
          commits_(kernel_->port()),
          mirror_(kRules) {
        lab::raise_loopback();
        {
            const AllProcessors all;
            server_.emplace(cluster_);
        }
        std::ofstream(config_) << server_->kubeconfig();
        for (const auto& [name, ns] : cluster_.namespaces()) mirror_.put(ns);
        for (const auto& [name, pod] : cluster_.pods()) mirror_.put(pod);
        for (const auto& [name, policy] : cluster_.policies()) mirror_.put(policy);
        mirror_.take_changes();
    }

    const Cluster& cluster() const { return cluster_; }
    pid_t pid() const { return agent_->pid(); }
    const std::string& socket() const { return socket_; }

    /// From exec to the last commit. There must be no table before.
    Clock::duration start() {
        const auto began = Clock::now();
        {
            const AllProcessors all;
            std::vector<std::string> argv{test::podfence_program(),
                                          "agent",
                                          "--kubeconfig",
                                          config_,
                                          "--node",
                                          test::kScaleNode,
                                          "--socket",
                                          socket_,
                                          "--metrics-address",
                                          ""};
            argv.insert(argv.end(), options_.begin(), options_.end());
            agent_.emplace(netns_, lab::ChildSpec{.argv = std::move(argv), .log = log_});
        }
        const auto enforced =
            commits_.await_last(std::chrono::milliseconds(500), std::chrono::seconds(60));
        if (!enforced) lab::fail("the agent commits nothing, " + lab::tail_of(log_));
        return *enforced - began;
    }

    /// As power goes; the table stays.
    void kill() { agent_.reset(); }

    /// What anybody may do. Gives the time just before.
    Clock::time_point delete_table() {
        const auto began = Clock::now();
        const auto done =
            kernel_->commit({.table = kRules.table, .ops = {nft::DeleteTable{}}}, std::nullopt);
        if (!done) lab::fail(to_string(done.error()));
        return began;
    }

    Clock::time_point send(Kind kind, const std::string& events) {
        return server_->send(kind, events);
    }
    /// What the mirror was told since, as operations.
    nft::Batch mirror_changes() { return nft::order(kRules.table, mirror_.take_changes()); }
    /// The end of the commits after which these are in force; returns when what they leave is
    /// deleted as well.
    Clock::time_point await(const nft::Batch& batch) {
        const nft::Stages stages(batch);
        const auto in_force = await(stages.up_to_turn().size());
        if (!stages.late.empty()) await(1);
        return in_force;
    }
    Clock::time_point await(std::size_t commits) {
        const auto last = commits_.await(commits, std::chrono::seconds(10));
        if (!last) lab::fail("the agent does not commit, " + lab::tail_of(log_));
        return *last;
    }
    /// The end of the commits that make the closed table, of which the first makes an empty one.
    Clock::time_point await_closed() {
        const nft::Table empty{.id = kRules.table};
        return await(1 + nft::Stages(nft::plan(empty, mirror_.closed_table())).all().size());
    }
    /// The end of however many commits.
    Clock::time_point await_quiet() {
        const auto last =
            commits_.await_last(std::chrono::milliseconds(100), std::chrono::seconds(10));
        if (!last) lab::fail("the agent commits nothing, " + lab::tail_of(log_));
        return *last;
    }

    /// The end of the commits after which the kernel holds the mirror's table. Where the machine is
    /// busy with other things there may be rests between them.
    Clock::time_point await_mirror() {
        while (true) {
            const auto last = await_quiet();
            if (must(kernel_->dump(kRules.table)).table == mirror_.table()) return last;
        }
    }

    /// The agent's desired table, computed here.
    Desired& mirror() { return mirror_; }
    /// Throws unless the kernel holds the mirror's table.
    void expect_mirror() {
        if (must(kernel_->dump(kRules.table)).table != mirror_.table())
            lab::fail("the kernel does not hold what it should, " + lab::tail_of(log_));
    }

  private:
    std::vector<std::string> options_;
    Cluster cluster_;
    lab::Claim claim_;
    lab::NetNs netns_;
    lab::Stay stay_;
    std::unique_ptr<nft::NetlinkKernel> kernel_;
    Commits commits_;
    Desired mirror_;
    std::string config_ = claim_.directory() + "/kubeconfig";
    std::string socket_ = claim_.directory() + "/agent.sock";
    std::string log_ = claim_.directory() + "/agent.log";
    std::optional<ApiServer> server_;
    std::optional<lab::Child> agent_;
};

/// Somebody who is told what to commit, and does: a thread of ordinary priority that waits on a
/// pipe, on a node of its own. What an event costs without TLS, JSON, pods and policies.
class Hand {
  public:
    explicit Hand(const nft::Table& table)
        : netns_(lab::NetNs::create(claim_.name("hand"))), stay_(netns_.enter()) {
        must(nft::converge(*kernel_, table));
        commits_.await_last(std::chrono::milliseconds(50), std::chrono::seconds(10));
        const AllProcessors all;
        thread_ = std::thread([this] { serve(); });
    }
    ~Hand() {
        orders_.close();
        thread_.join();
    }
    Hand(const Hand&) = delete;
    Hand& operator=(const Hand&) = delete;

    /// From the order to the commit after which it is in force.
    Clock::duration commit(const nft::Batch& batch) {
        const nft::Stages stages(batch);
        stages_ = stages.up_to_turn();
        const auto began = Clock::now();
        orders_.send();
        const auto done = commits_.await(stages_.size(), std::chrono::seconds(10));
        if (!done || !served_.receive()) lab::fail("the hand commits nothing");
        if (!stages.late.empty()) {
            kernel_->await_packets();
            must(kernel_->commit(stages.late, std::nullopt));
            commits_.await(1, std::chrono::seconds(10));
        }
        return *done - began;
    }

  private:
    class Pipe {
      public:
        Pipe() {
            std::array<int, 2> ends{};
            if (::pipe2(ends.data(), O_CLOEXEC) != 0) lab::fail_errno("pipe");
            out_ = lab::UniqueFd(ends[0]);
            in_ = lab::UniqueFd(ends[1]);
        }
        void send() { static_cast<void>(::write(in_.get(), "x", 1)); }
        void close() { in_.reset(); }
        bool receive() {
            char byte = 0;
            return ::read(out_.get(), &byte, 1) == 1;
        }

      private:
        lab::UniqueFd out_;
        lab::UniqueFd in_;
    };

    void serve() {
        while (orders_.receive()) {
            for (const nft::Batch& stage : stages_) kernel_->commit(stage, std::nullopt).value();
            served_.send();  // The kernel's answer comes after the news of the commit.
        }
    }

    lab::Claim claim_;
    lab::NetNs netns_;
    lab::Stay stay_;
    std::unique_ptr<nft::NetlinkKernel> kernel_ = must(nft::NetlinkKernel::open());
    Commits commits_{0};
    Pipe orders_, served_;
    std::vector<nft::Batch> stages_;
    std::thread thread_;
};

}  // namespace podfence::bench
