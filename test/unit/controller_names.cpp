#include <set>
#include <string>

#include <catch2/catch.hpp>

#include "controller/names.hpp"
#include "nft/ruleset.hpp"

using podfence::make_comment;
using podfence::make_name;
using podfence::NameHash;

TEST_CASE("fields of a name hash never run into each other") {
    std::set<std::string> texts;
    const auto add = [&](NameHash hash) { texts.insert(hash.text()); };
    add(NameHash{}.add("a-b").add("c"));
    add(NameHash{}.add("a").add("b-c"));
    add(NameHash{}.add("a").add("b").add("-c"));
    add(NameHash{}.add("a-bc"));
    add(NameHash{}.add("a-bc").add(""));
    add(NameHash{}.add("").add("a-bc"));
    add(NameHash{}.add(std::uint64_t{0}));
    add(NameHash{});
    CHECK(texts.size() == 8);
    for (const auto& text : texts) CHECK(text.size() == 16);
}

TEST_CASE("a name hash is the same everywhere and for ever") {
    // Rulesets outlive the process that wrote them: another value would rewrite them on upgrade.
    // The first 80 bits of SHA-256 over the bytes 00 00 00 00 00 00 00 03 'a' 'b' 'c'.
    CHECK(NameHash{}.add("abc").text() == "yneuzincz6hoxcqr");
}

TEST_CASE("names hold only what nft takes unquoted") {
    const auto name = make_name("pods", NameHash{}.add("x"), "shop.app in (a,b),!c");
    CHECK(name.substr(0, 5) == "pods-");
    CHECK(name.find_first_not_of(
              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
          std::string::npos);
    CHECK(make_name("pods", NameHash{}.add("x"), std::string(500, 'n')).size() < 100);
    CHECK(make_name("pods", NameHash{}.add("x"), "").back() != '-');
}

TEST_CASE("comments stay within nft's limit and say how many are missing") {
    CHECK(make_comment({}).empty());
    CHECK(make_comment({"a"}) == "a");
    CHECK(make_comment({"a", "b"}) == "a, b");
    CHECK(make_comment({std::string(127, 'x')}) == std::string(127, 'x'));
    for (std::size_t length = 1; length < 400; length += 7) {
        for (std::size_t count = 1; count < 40; ++count) {
            const std::vector<std::string> texts(count, std::string(length, 'x'));
            const auto comment = make_comment(texts);
            CHECK(comment.size() <= podfence::nft::kCommentBytesMax);
            const bool whole = (length + 2) * count - 2 <= podfence::nft::kCommentBytesMax;
            const bool cut = comment.find(" more") != std::string::npos ||
                             comment.find("...") != std::string::npos;
            CHECK(cut != whole);
        }
    }
}
