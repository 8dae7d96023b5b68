#include <catch2/catch.hpp>

#include "controller/limits.hpp"
#include "controller/node.hpp"
#include "controller/problem_log.hpp"
#include "controller/validate.hpp"

using namespace podfence;
using Kind = Node::Kind;

TEST_CASE("input: unquoted YAML scalars have the types kubectl gives them") {
    const auto [text, kind] = GENERATE(table<std::string, Kind>({
        {"", Kind::null},
        {"~", Kind::null},
        {"null", Kind::null},
        {"NULL", Kind::null},
        {"nil", Kind::string},
        {"true", Kind::boolean},
        {"True", Kind::boolean},
        {"tRUE", Kind::string},
        {"yes", Kind::boolean},
        {"No", Kind::boolean},
        {"on", Kind::boolean},
        {"OFF", Kind::boolean},
        {"y", Kind::boolean},
        {"N", Kind::boolean},
        {"nope", Kind::string},
        {"0", Kind::integer},
        {"80", Kind::integer},
        {"-1", Kind::integer},
        {"+5", Kind::integer},
        {"0x1F", Kind::integer},
        {"010", Kind::integer},
        {"0o17", Kind::integer},
        {"0b101", Kind::integer},
        {"1_000", Kind::integer},
        {"089", Kind::real},
        {"1.5", Kind::real},
        {".5", Kind::real},
        {"1e3", Kind::real},
        {"1.", Kind::real},
        {".inf", Kind::real},
        {"-.INF", Kind::real},
        {".", Kind::string},
        {"-", Kind::string},
        {"1.2.3", Kind::string},
        {"80/tcp", Kind::string},
        {"10.0.0.0/8", Kind::string},
        {"web", Kind::string},
        {"1e", Kind::string},
        {"2026-03-04", Kind::string},
        {"99999999999999999999", Kind::real},
    }));
    CAPTURE(text);
    CHECK(static_cast<int>(kind_of_plain(text)) == static_cast<int>(kind));
}

TEST_CASE("input: integers in all of YAML's spellings") {
    CHECK(parse_integer("80") == 80);
    CHECK(parse_integer("0x50") == 80);
    CHECK(parse_integer("0120") == 80);
    CHECK(parse_integer("0o120") == 80);
    CHECK(parse_integer("0b1010000") == 80);
    CHECK(parse_integer("-1_0") == -10);
    CHECK(parse_integer("0") == 0);
    CHECK(parse_integer("-9223372036854775807") == -9223372036854775807);
    for (const char* text :
         {"", "-", "0x", "08", "1a", "9223372036854775808", "--1", "+-1", " 1"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_integer(text).has_value());
    }
}

TEST_CASE("input: names and labels are checked as the API server does (V1, V5, V14)") {
    CHECK(is_dns_label("a-1"));
    CHECK(is_dns_label(std::string(63, 'a')));
    for (const char* text : {"", "-a", "a-", "A", "a.b", "a_b", "\xc3\xa4"}) {
        CAPTURE(text);
        CHECK_FALSE(is_dns_label(text));
    }
    CHECK_FALSE(is_dns_label(std::string(64, 'a')));
    CHECK(is_dns_subdomain("a.b-c.d"));
    CHECK(is_dns_subdomain(std::string(253, 'a')));
    CHECK_FALSE(is_dns_subdomain(std::string(254, 'a')));
    CHECK_FALSE(is_dns_subdomain("a..b"));
    CHECK_FALSE(is_dns_subdomain("a."));
    CHECK(is_label_value(""));
    CHECK(is_label_value("A_b.c-D"));
    CHECK_FALSE(is_label_value("-a"));
    CHECK_FALSE(is_label_value("a b"));
    CHECK_FALSE(is_label_value(std::string(64, 'a')));
    CHECK(is_label_key("example.com/App_1"));
    CHECK(is_label_key("app"));
    for (const char* text : {"", "/a", "a/", "a/b/c", "Example.com/a", "a b", "_a"}) {
        CAPTURE(text);
        CHECK_FALSE(is_label_key(text));
    }
    CHECK(is_port_name("http"));
    CHECK(is_port_name("8080-tcp"));
    for (const char* text : {"", "80", "HTTP", "a--b", "-a", "a-", "a_b", "abcdefghijklmnop"}) {
        CAPTURE(text);
        CHECK_FALSE(is_port_name(text));
    }
}

TEST_CASE("input: CIDRs are strict, with the legacy meanings told (V11, V13, N36)") {
    struct Row {
        const char* text;
        const char* means;  // nullptr: refused
        bool odd;
    };
    const Row row = GENERATE(values<Row>({
        {"10.0.0.0/8", "10.0.0.0/8", false},
        {"0.0.0.0/0", "0.0.0.0/0", false},
        {"10.0.0.5/24", "10.0.0.0/24", true},
        {"010.0.0.0/8", "10.0.0.0/8", true},
        {"010.001.000.009/32", "10.1.0.9/32", true},
        {"10.0.0.0/08", "10.0.0.0/8", true},
        {"2001:DB8:0:0::/64", "2001:db8::/64", false},
        {"2001:db8::1/64", "2001:db8::/64", true},
        {"::/0", "::/0", false},
        {"::ffff:10.0.0.0/104", nullptr, false},
        {"::ffff:10.0.0.1/128", nullptr, false},
        {"10.0.0.1", nullptr, false},
        {"10.0.0.0/33", nullptr, false},
        {"::/129", nullptr, false},
        {"10.0.0/8", nullptr, false},
        {"0x10.0.0.0/8", nullptr, false},
        {"256.0.0.0/8", nullptr, false},
        {"10.0.0.0/", nullptr, false},
        {"10.0.0.0/-1", nullptr, false},
        {"10.0.0.0/+8", nullptr, false},
        {" 10.0.0.0/8", nullptr, false},
        {"/8", nullptr, false},
        {"", nullptr, false},
        {"10.0.0.0/8/8", nullptr, false},
        {"fe80::1%eth0/64", nullptr, false},
    }));
    CAPTURE(row.text);
    const CheckedPrefix checked = check_prefix(row.text);
    REQUIRE(checked.prefix.has_value() == (row.means != nullptr));
    CHECK(checked.error.empty() == (row.means != nullptr));
    CHECK(checked.warning.empty() != row.odd);
    if (row.means != nullptr) CHECK(to_string(*checked.prefix) == row.means);
}

TEST_CASE("input: times are RFC 3339") {
    CHECK(parse_time("1970-01-01T00:00:00Z") == 0);
    CHECK(parse_time("2026-03-04T05:06:07Z") == 1772600767);
    CHECK(parse_time("2026-03-04T05:06:07.123456Z") == 1772600767);
    CHECK(parse_time("2026-03-04T06:06:07+01:00") == 1772600767);
    CHECK(parse_time("2026-03-04T04:36:07-00:30") == 1772600767);
    for (const char* text :
         {"", "2026", "2026-03-04", "2026-03-04T05:06:07", "2026-13-04T05:06:07Z",
          "2026-02-30T05:06:07Z", "2026-03-04T25:06:07Z", "2026-03-04T05:06:07.Z",
          "2026-03-04T05:06:07+0100", "2026-03-04 05:06:07Z", "2026-03-04T05:06:07Zx"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_time(text).has_value());
    }
}

TEST_CASE("input: what is quoted is cut and cannot speak to the terminal") {
    CHECK(quoted("a\"b\\") == "\"a\\\"b\\\\\"");
    CHECK(quoted("\x1b[31m\n") == "\"\\x1b[31m\\n\"");
    CHECK(quoted(std::string(500, 'x')) == '"' + std::string(limits::kQuotedBytes, 'x') + "\"...");
}

TEST_CASE("input: problems beyond the limit are counted, and warnings hide no error") {
    ProblemLog log;
    for (std::size_t i = 0; i < limits::kProblems + 7; ++i) {
        log.add({.severity = Severity::warning, .message = "w"});
    }
    log.add({.message = "e"});
    const auto problems = log.take();
    REQUIRE(problems.size() == limits::kProblems + 2);
    CHECK(problems[limits::kProblems].message == "e");
    CHECK(problems.back().message == "and 7 more warnings");
    CHECK(problems.back().severity == Severity::warning);
    CHECK(log.take().empty());
}
