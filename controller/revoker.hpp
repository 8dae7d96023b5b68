#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "controller/allowance.hpp"
#include "controller/concern.hpp"
#include "controller/connection_judge.hpp"
#include "controller/reconciler.hpp"
#include "nft/conntrack.hpp"

namespace podfence {

/// One look through the connection tracking table.
struct Walk {
    /// Each is listed; together they tell of all that is wanted. One that asks for nothing in
    /// particular does as well.
    std::vector<nft::ConnectionFilter> filters{};
    // What is wanted of what they tell: any of these.
    std::set<Address> sources{};
    std::set<Address> answerers{};
    std::uint32_t mark = 0;  ///< With any of these bits.

    bool wants(const nft::Connection& connection) const;
};

/// Walks through the table while everything else goes on, and tells on the caller's thread.
class ConnectionWalker {
  public:
    /// Is told what a walk meets, in pieces of at most kPieceMax, and when it is over.
    class Listener {
      public:
        Listener() = default;
        Listener(const Listener&) = delete;
        Listener& operator=(const Listener&) = delete;
        virtual ~Listener() = default;
        virtual void met(std::span<const nft::Connection> connections) = 0;
        virtual void walked(const nft::Result<void>& result) = 0;
    };
    /// What is judged in one turn of the event loop: a fraction of a millisecond.
    static constexpr std::size_t kPieceMax = 64;

    ConnectionWalker() = default;
    ConnectionWalker(const ConnectionWalker&) = delete;
    ConnectionWalker& operator=(const ConnectionWalker&) = delete;
    virtual ~ConnectionWalker() = default;

    /// No other walk is under way.
    virtual void start(Walk walk) = 0;
};

/// Is told what happens; must not call back.
class RevokerObserver {
  public:
    RevokerObserver() = default;
    RevokerObserver(const RevokerObserver&) = delete;
    RevokerObserver& operator=(const RevokerObserver&) = delete;
    virtual ~RevokerObserver() = default;

    /// A walk is over that cut, or restored, so many connections; `latency` since the oldest change
    /// that it was for, `took` for itself.
    virtual void revoked(std::size_t cut, std::size_t restored, Clock::duration latency,
                         Clock::duration took) = 0;
    /// Connections that should be cut may live on until the next attempt.
    virtual void revoking_failed(const nft::Error& error, Clock::duration retry_in) = 0;
};

/// Cuts the established connections that policies stop allowing (D4): marks them in the connection
/// tracking table, and the first rule of the hooks ends what is marked. A state machine: told of
/// what the kernel enforces and of what walks meet, it says what to walk for and when.
///
/// No connection slips through. One that begins after the commit is judged by the new rules. One
/// that began before is in the table when the walk looks, but for those whose first packet had
/// passed the old rules and had not left the last hook, where it enters the table: so every walk is
/// followed by a second one, at least settle_time after the commit, which is longer than any packet
/// takes. That may be the walk for a later change.
class Revoker final : public ConnectionWalker::Listener {
  public:
    using Time = Clock::time_point;

    struct Limits {
        Clock::duration settle_time = std::chrono::milliseconds(50);
        Clock::duration second_walk_in = std::chrono::milliseconds(300);
        /// In the long run. A walk takes some 10 ms of one processor for the empty buckets of a
        /// table of the usual size alone, and a cluster that is busy may change ten times a second.
        Allowance::Terms walks{.factor = 5,
                               .credit_max = std::chrono::seconds(1),
                               .pause_max = std::chrono::seconds(5)};
        /// Between two walks in any case, so many times what the last one took.
        int pause_factor = 2;
        Clock::duration retry_min = std::chrono::milliseconds(50);
        Clock::duration retry_max = std::chrono::seconds(30);
        /// Filtered lists of one walk. Each costs a fifth of telling everything.
        std::size_t filters_max = 4;
    };

    /// Where the world is touched. Nothing is owned; everything must outlive the revoker.
    struct World {
        nft::Conntrack& conntrack;  ///< Where marks are set.
        ConnectionWalker& walker;
        std::function<Time()> now;
        std::function<std::set<Address>()> host_addresses;
    };

    /// `mark` has one bit.
    Revoker(const Desired& desired, std::uint32_t mark, World world, RevokerObserver& observer,
            Limits limits);

    /// The kernel has taken these operations, all of which `desired` told.
    void enforced(std::span<const nft::Op> ops);
    /// The kernel may have enforced something else until now.
    void enforced_anew();

    /// Does what is due now.
    void step();
    /// When `step` should be called next unless something happens before; nullopt: never.
    std::optional<Time> wake_at() const;

    void met(std::span<const nft::Connection> connections) override;
    void walked(const nft::Result<void>& result) override;

  private:
    /// What is to be looked for, and when the first and the last change was that it is for.
    struct Task {
        Concern concern{};
        bool marked = false;  ///< Also all that is cut: it may be allowed again.
        Time since = Time::max();
        Time until = Time::min();

        bool empty() const { return concern.empty() && !marked; }
        void merge(const Task& other);
    };
    struct Later {
        Time settled;  ///< Any walk that begins after this will do.
        Time at;       ///< Without another, one is made for it.
        Task task;
    };

    void begin(Time now);
    Walk plan(const Task& task) const;
    bool allows(const nft::Connection& connection);
    void set_marks(std::span<const nft::Connection> connections, bool cut);
    void fail(const nft::Error& error);

    const Desired& desired_;
    std::uint32_t mark_;
    World world_;
    RevokerObserver& observer_;
    Limits limits_;

    Task due_;
    std::deque<Later> later_;      ///< By both times.
    std::optional<Task> current_;  ///< What the walk under way is for.
    std::optional<ConnectionJudge> judge_;
    std::optional<nft::Error> failed_;  ///< While marking.
    Allowance walk_time_;
    Time began_{};
    Time not_before_{};
    Clock::duration retry_in_;
    std::size_t cut_ = 0;
    std::size_t restored_ = 0;
    std::size_t still_marked_ = 0;
    /// There may be marked connections: those of a previous run, too.
    bool any_marked_ = true;
};

}  // namespace podfence
