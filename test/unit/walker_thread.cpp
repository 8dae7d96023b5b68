// The thread that looks through the connection tracking table, and the event loop that is told.
#include "controller/walker_thread.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "nft/fake_conntrack.hpp"
#include "test/support/builders.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

/// What happened, in its order: both threads write to it, the listener only while the walker waits.
struct Story {
    std::mutex mutex;
    std::vector<std::string> lines;

    void add(std::string line) {
        const std::lock_guard lock(mutex);
        lines.push_back(std::move(line));
    }
};

/// A table that says when it is listed.
class ToldConntrack final : public nft::Conntrack {
  public:
    explicit ToldConntrack(Story& story) : story_(story) {}
    nft::FakeConntrack table;

    nft::Result<void> list(const nft::ConnectionFilter& filter, const OnConnection& tell) override {
        story_.add("list");
        auto listed = table.list(filter, tell);
        story_.add("listed");
        return listed;
    }
    // So many that it is not worth to be told of all of them.
    nft::Result<std::size_t> count() override { return 1'000'000; }
    nft::Result<std::optional<nft::Connection>> find(const nft::Tuple& original,
                                                     std::uint16_t zone) override {
        return table.find(original, zone);
    }
    nft::Result<std::size_t> set_mark(std::span<const nft::Connection> connections,
                                      std::uint32_t mask, std::uint32_t mark) override {
        return table.set_mark(connections, mask, mark);
    }

  private:
    Story& story_;
};

class Listener final : public ConnectionWalker::Listener {
  public:
    Listener(Story& story, boost::asio::io_context& io) : story_(story), io_(io) {}
    void met(std::span<const nft::Connection> connections) override {
        met_total += connections.size();
        story_.add("met");
    }
    void walked(const nft::Result<void>& result) override {
        CHECK(result.has_value());
        story_.add("walked");
        io_.stop();
    }
    std::size_t met_total = 0;

  private:
    Story& story_;
    boost::asio::io_context& io_;
};

nft::Connection to(std::string_view address, std::uint16_t port) {
    const bool v6 = address.find(':') != std::string_view::npos;
    const Address from = ip(v6 ? "fd00::9" : "10.0.0.9");
    return {.original = {.source = from,
                         .destination = ip(address),
                         .protocol = kTcp,
                         .source_port = port,
                         .destination_port = 80},
            .reply = {.source = ip(address),
                      .destination = from,
                      .protocol = kTcp,
                      .source_port = 80,
                      .destination_port = port}};
}

}  // namespace

TEST_CASE("walker: what one list met is dealt with before the kernel is asked for the next") {
    constexpr std::uint16_t kOfAnAddress = 3 * ConnectionWalker::kPieceMax / 2;
    Story story;
    boost::asio::io_context io;
    const auto work = boost::asio::make_work_guard(io);
    Listener listener(story, io);
    auto conntrack = std::make_unique<ToldConntrack>(story);
    for (std::uint16_t port = 1; port <= kOfAnAddress; ++port) {
        conntrack->table.add(to("10.0.0.1", port));
        conntrack->table.add(to("fd00::1", port));
        conntrack->table.add(to("10.0.0.2", port));
    }
    WalkerThread walker(io, std::move(conntrack), listener);
    walker.start({.filters = {{.answerer = ip("10.0.0.1")}, {.answerer = ip("fd00::1")}},
                  .answerers = {ip("10.0.0.1"), ip("fd00::1")}});
    io.run();
    CHECK(listener.met_total == 2 * kOfAnAddress);
    int listed = 0;
    int met = 0;
    for (const auto& line : story.lines) {
        if (line == "met") ++met;
        if (line == "listed") ++listed;
        if (line == "list") CHECK(met == 2 * listed);
    }
    CHECK(listed == 2);
    CHECK(story.lines.back() == "walked");
}
