#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "controller/status.hpp"

namespace podfence {

/// Proves with packets, at the start and every so often, that packets meet the rules: a node may
/// hold the right rules and carry packets past them, which no look at the rules shows. The proof is
/// a program of its own, `podfence doctor --self-test`, so that it can neither block nor harm the
/// agent.
class Canary {
  public:
    struct Options {
        std::chrono::seconds period{};   ///< 0: off.
        bool cuts_established = true;    ///< --established=cut
        std::int32_t hook_priority = 0;  ///< Of the rules whose place is proved.
        std::string program = "/proc/self/exe";
    };
    /// Addresses of some of this node's pods, by which it learns how they are connected.
    using PodAddresses = std::function<std::vector<nft::Address>()>;
    /// Called after each answer.
    using Answered = std::function<void(const CanaryRecord&)>;

    Canary(boost::asio::io_context& io, Options options, PodAddresses pods, Answered answered);
    Canary(const Canary&) = delete;
    Canary& operator=(const Canary&) = delete;
    ~Canary();

    /// From now on; once. Nothing happens when it is off.
    void start();
    void stop();
    const CanaryRecord& record() const { return record_; }

    static constexpr std::chrono::seconds kPeriodDefault{300};
    static constexpr std::chrono::seconds kPeriodMin{10};
    /// It takes well under a second; a few where packets are lost.
    static constexpr std::chrono::milliseconds kTimeout{60'000};
    static constexpr std::size_t kPodsMax = 16;

  private:
    boost::asio::awaitable<void> prove();
    void schedule();

    boost::asio::io_context& io_;
    Options options_;
    PodAddresses pods_;
    Answered answered_;
    CanaryRecord record_;
    boost::asio::steady_timer timer_;
};

/// What the program's output says. Anything that is no answer is `impossible`.
CanaryRecord parse_self_test(std::string_view output);

/// "90s", "5m", "1h"; nullopt: something else, or less than Canary::kPeriodMin.
std::optional<std::chrono::seconds> parse_period(std::string_view text);

}  // namespace podfence
