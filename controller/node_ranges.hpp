#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "controller/api_client.hpp"
#include "controller/backoff.hpp"

namespace podfence {

/// The ranges of addresses that a node gives to its pods, by its Node object: spec.podCIDRs, or
/// spec.podCIDR of a server that knows no more. `text`: the object as JSON. Errors say what is
/// wrong with it: there are none, or they are no ranges.
Sourced<std::vector<Prefix>> read_node_ranges(std::string_view text, const std::string& node);
/// What an answer other than the object means to an operator.
Trouble node_refused(const std::string& node, unsigned code, const std::string& message);

/// Asks the API server for these until it tells, on a connection that lives as long. They are given
/// to a node once and for all, so that nothing is watched.
class NodeRanges {
  public:
    struct Options {
        std::string node{};
        ApiClient::Options client{};
        Backoff::Limits backoff{.first = std::chrono::milliseconds(500),
                                .max = std::chrono::milliseconds(30'000)};
    };
    /// Called in the io_context's thread; known() once, and nothing after that.
    struct Listener {
        std::function<void(std::vector<Prefix>)> known{};
        std::function<void(const Trouble&)> unknown{};  ///< As of now; it goes on asking.
    };

    /// `io` must outlive it.
    NodeRanges(boost::asio::io_context& io, ClusterAccess access, Options options);
    ~NodeRanges() { stop(); }
    NodeRanges(const NodeRanges&) = delete;
    NodeRanges& operator=(const NodeRanges&) = delete;

    void start(Listener listener);  ///< Once.
    void stop();                    ///< Nobody is called any more.

  private:
    struct State;
    static boost::asio::awaitable<void> run(std::shared_ptr<State> state);
    static boost::asio::awaitable<Sourced<std::vector<Prefix>>> ask(std::shared_ptr<State> state);

    boost::asio::io_context& io_;
    std::shared_ptr<State> state_;
};

}  // namespace podfence
