// The agent's log: what a line looks like, and that neither bursts nor other people's text harm it.
#include <array>
#include <chrono>
#include <limits>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <fcntl.h>
#include <unistd.h>

#include "controller/log_timer.hpp"
#include "controller/text_safety.hpp"
#include "controller/timestamp.hpp"
#include "controller/validate.hpp"

using namespace podfence;
using namespace std::chrono_literals;

namespace {

/// A log whose lines are kept and whose clock is moved by hand.
struct Bench {
    explicit Bench(Log::Options options)
        : log(
              options,
              [this](std::string_view line) {
                  if (full) return false;
                  lines.emplace_back(line);
                  return true;
              },
              [this] { return now; }) {}

    Log::Times now{Log::Wall(1'772'600'767'891ms), Log::Steady(1h)};
    std::vector<std::string> lines{};
    bool full = false;
    Log log;
};

}  // namespace

TEST_CASE("a line of the log names its objects in fields", "[log]") {
    Bench text({});
    text.log.warning("policy refused", {{"policy", "shop/db"},
                                        {"error", "no such \"thing\""},
                                        {"attempts", 3},
                                        {"latency_ms", 0.25},
                                        {"again", true}});
    REQUIRE(text.lines.size() == 1);
    CHECK(text.lines[0] ==
          "2026-03-04T05:06:07.891Z warning policy refused policy=shop/db error=\"no such "
          "\\\"thing\\\"\" attempts=3 latency_ms=0.25 again=true\n");

    Bench json({.format = LogFormat::json});
    json.log.warning("policy refused", {{"policy", "shop/db"},
                                        {"attempts", 3},
                                        {"latency_ms", 0.25},
                                        {"again", true},
                                        {"never", std::numeric_limits<double>::infinity()}});
    CHECK(boost::json::parse(json.lines.at(0)) ==
          boost::json::value({{"time", "2026-03-04T05:06:07.891Z"},
                              {"level", "warning"},
                              {"msg", "policy refused"},
                              {"policy", "shop/db"},
                              {"attempts", 3},
                              {"latency_ms", 0.25},
                              {"again", true},
                              {"never", nullptr}}));
}

TEST_CASE("levels below the chosen one are not logged", "[log]") {
    Bench bench({.level = LogLevel::warning});
    bench.log.debug("a");
    bench.log.info("b");
    bench.log.warning("c");
    bench.log.error("d");
    CHECK(bench.lines.size() == 2);
    CHECK(parse_log_level("debug") == LogLevel::debug);
    CHECK(parse_log_level("loud") == std::nullopt);
    CHECK(parse_log_format("json") == LogFormat::json);
    CHECK(parse_log_format("xml") == std::nullopt);
}

TEST_CASE("a message that repeats is told a few times, then counted", "[log]") {
    Bench bench({.burst = 3, .refill = 1000ms});
    for (int i = 0; i < 10; ++i) bench.log.info("pod flaps", {{"n", i}});
    CHECK(bench.lines.size() == 3);
    bench.log.info("something else");  // Has a budget of its own.
    CHECK(bench.lines.size() == 4);

    bench.now.steady += 1000ms;
    bench.log.info("pod flaps", {{"n", 10}});
    REQUIRE(bench.lines.size() == 5);
    CHECK(bench.lines[4].ends_with("info pod flaps suppressed=7 n=10\n"));
    bench.log.info("pod flaps", {{"n", 11}});
    CHECK(bench.lines.size() == 5);

    bench.now.steady += 1h;  // The budget has a ceiling.
    for (int i = 0; i < 10; ++i) bench.log.info("pod flaps");
    CHECK(bench.lines.size() == 8);
    CHECK(bench.lines[5].ends_with("suppressed=1\n"));
    CHECK(bench.lines[6].ends_with("pod flaps\n"));
}

TEST_CASE("what was not told is counted in a line of its own when no other comes", "[log]") {
    Bench bench({.burst = 2, .refill = 1000ms});
    int woken = 0;
    bench.log.on_suppressed([&] { ++woken; });
    for (int i = 0; i < 2; ++i) bench.log.warning("pod flaps");
    CHECK_FALSE(bench.log.due());
    for (int i = 0; i < 5; ++i) bench.log.warning("pod flaps", {{"n", i}});
    CHECK(woken == 1);
    CHECK(bench.log.due() == bench.now.steady + 1000ms);
    bench.log.tell_suppressed();
    CHECK(bench.lines.size() == 2);  // Not yet.

    bench.now.steady += 500ms;  // Half of a line is saved; others have a time of their own.
    for (int i = 0; i < 3; ++i) bench.log.error("pod dies");
    CHECK(woken == 1);
    CHECK(bench.log.due() == bench.now.steady + 500ms);
    bench.now.steady += 500ms;
    bench.log.tell_suppressed();
    REQUIRE(bench.lines.size() == 5);
    CHECK(bench.lines[4].ends_with(" warning pod flaps suppressed=5\n"));
    CHECK(bench.log.due() == bench.now.steady + 500ms);
    bench.log.tell_suppressed(true);
    REQUIRE(bench.lines.size() == 6);
    CHECK(bench.lines[5].ends_with(" error pod dies suppressed=1\n"));
    CHECK_FALSE(bench.log.due());

    bench.log.warning("pod flaps");  // That line counted.
    CHECK(bench.lines.size() == 6);
}

TEST_CASE("a timer tells what was suppressed, and the end tells the rest", "[log]") {
    Bench bench({.burst = 1, .refill = 20ms});
    bench.now.steady = std::chrono::steady_clock::now();
    boost::asio::io_context io;
    {
        const LogTimer timer(io, bench.log);
        for (int i = 0; i < 3; ++i) bench.log.info("pod flaps");
        bench.now.steady += 20ms;
        io.run();  // Until there is nothing to be told.
        REQUIRE(bench.lines.size() == 2);
        CHECK(bench.lines[1].ends_with("pod flaps suppressed=2\n"));
        bench.log.info("pod flaps");
        CHECK(bench.lines.size() == 2);
    }
    REQUIRE(bench.lines.size() == 3);
    CHECK(bench.lines[2].ends_with("pod flaps suppressed=1\n"));
    bench.log.info("pod flaps");
    bench.log.info("pod flaps");  // Nobody is woken who is gone.
}

TEST_CASE("text of others can neither forge a line nor drive a terminal", "[log]") {
    const std::string evil = "x\n2026 error forged\r\x1b[2J\x7f\xc2\x9b\xff \xe2\x9c\x93";
    Bench text({});
    text.log.info("seen", {{"name", evil}});
    CHECK(text.lines.at(0).ends_with(
        "name=\"x\\n2026 error forged\\u000d\\u001b[2J\\u007f\\u009b\\ufffd \xe2\x9c\x93\"\n"));
    CHECK(std::count(text.lines[0].begin(), text.lines[0].end(), '\n') == 1);
    Bench json({.format = LogFormat::json});
    json.log.info("seen", {{"name", evil}});
    CHECK(boost::json::parse(json.lines.at(0)).at("name").as_string().starts_with("x\n2026"));
}

TEST_CASE("a line has a limited length, whatever is to be said", "[log]") {
    Bench bench({.format = LogFormat::json});
    const std::string huge(1'000'000, '\x01');
    bench.log.error("failed", {{"a", huge}, {"b", huge}, {"c", "short"}});
    const std::string& line = bench.lines.at(0);
    CHECK(line.size() <= 4096);
    const auto value = boost::json::parse(line);
    CHECK(std::string(value.at("a").as_string().c_str()).ends_with("... (999488 more bytes)"));
    CHECK(value.at("c") == "short");
    // Never inside of a character.
    CHECK(shortened("ab\xe2\x9c\x93", 3) == "ab... (3 more bytes)");
    CHECK(as_utf8("a\xff\xe2\x9c") == "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

TEST_CASE("lines that nobody takes are lost and counted, not waited for", "[log]") {
    Bench bench({});
    bench.full = true;
    bench.log.info("one");
    bench.log.info("two");
    bench.full = false;
    bench.log.info("three");
    CHECK(bench.lines.at(0).ends_with("info three lines_lost=2\n"));

    std::array<int, 2> pipe{};
    REQUIRE(::pipe2(pipe.data(), O_CLOEXEC) == 0);
    const std::string line(4096, 'x');
    int taken = 0;
    while (write_without_blocking(pipe[1], line)) ++taken;
    CHECK(taken == ::fcntl(pipe[1], F_GETPIPE_SZ) / 4096);
    ::close(pipe[0]);
    ::close(pipe[1]);
    CHECK_FALSE(write_without_blocking(pipe[1], line));
}

TEST_CASE("times are written as they are read", "[log]") {
    CHECK(timestamp_s(0) == "1970-01-01T00:00:00Z");
    for (const std::int64_t seconds :
         {std::int64_t{-1}, std::int64_t{951'782'400}, std::int64_t{1'772'600'767},
          std::int64_t{253'402'300'799}, std::int64_t{-62'167'219'200}}) {
        CAPTURE(timestamp_s(seconds));
        CHECK(parse_time(timestamp_s(seconds)) == seconds);
    }
    CHECK(timestamp(Log::Wall(-1ms)) == "1969-12-31T23:59:59.999Z");
}
