#include <fstream>

#include <catch2/catch.hpp>
#include <malloc.h>

#include "controller/limits.hpp"
#include "controller/manifest_stream.hpp"
#include "test/support/input.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

std::string repeat(std::string_view text, std::size_t times) {
    std::string out;
    out.reserve(text.size() * times);
    for (std::size_t i = 0; i < times; ++i) out += text;
    return out;
}

bool mentions(const Loaded& loaded, std::string_view text) {
    return all_problems(loaded).find(text) != std::string::npos;
}

/// A pod as kubectl prints it, about 4 KiB, most of which does not matter.
std::string listed_pod(std::size_t index) {
    const std::string n = std::to_string(index);
    std::string text =
        "- apiVersion: v1\n  kind: Pod\n  metadata:\n    annotations:\n      note: |\n";
    for (int i = 0; i < 20; ++i) text += "        " + repeat("lorem ipsum ", 5) + "\n";
    text += "    labels:\n      app: web\n    managedFields:\n";
    for (int i = 0; i < 20; ++i) text += "    - f:spec:\n        f:containers: {}\n";
    text += "    name: web-" + n + "\n    namespace: shop\n  spec:\n    containers:\n    - env:\n";
    for (int i = 0; i < 20; ++i)
        text += "      - name: A" + std::to_string(i) + "\n        value: b\n";
    text += "      name: c\n      ports:\n      - containerPort: 80\n        name: http\n";
    text += "    nodeName: n1\n  status:\n    phase: Running\n    podIP: 10." +
            std::to_string(index / 65536) + "." + std::to_string(index / 256 % 256) + "." +
            std::to_string(index % 256) + "\n";
    return text;
}

std::size_t heap_bytes() {
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

}  // namespace

TEST_CASE("input: a list of any length costs one item beside what is kept") {
    Loaded loaded;
    ProblemLog log;
    const LoadOptions options;
    ObjectLoader loader(loaded, log, options);
    loader.begin_source("t");
    ManifestStream stream(loader);
    const bool json = GENERATE(false, true);
    constexpr std::size_t kPods = 2000;  // 8 MB
    // The same pod again and again: the cluster does not grow, so what grows is the reader's.
    std::string item = listed_pod(1);
    if (json) {
        item =
            "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web-1\","
            "\"namespace\":\"shop\",\"annotations\":{\"a\":\"" +
            std::string(4000, 'x') + "\"}}},\n";
    }
    REQUIRE(stream.feed(json ? "{\"kind\":\"List\",\"items\":[" : "apiVersion: v1\nitems:\n"));
    for (std::size_t i = 0; i < 300; ++i) REQUIRE(stream.feed(item));  // past the problems kept
    const std::size_t before = heap_bytes();
    std::size_t most = before;
    for (std::size_t i = 300; i < kPods; ++i) {
        REQUIRE(stream.feed(item));
        most = std::max(most, heap_bytes());
    }
    CHECK(most - before < 256 * 1024);
    CHECK(loaded.objects >= kPods - 1);
}

TEST_CASE("input: deep nesting is refused, in either format and anywhere") {
    const std::size_t deep = 100'000;
    const std::string text = GENERATE_COPY(values<std::string>({
        "a: " + repeat("[", deep),
        repeat("- ", deep),
        repeat("{a: ", deep),
        "a: " + repeat("[", deep) + repeat("]", deep),
        repeat("[{", deep),
        "{\"a\":" + repeat("[", deep),
        repeat("{\"a\":", deep),
        "{\"spec\":{\"volumes\":" + repeat("[", deep) + repeat("]", deep) + "}}",
        "? " + repeat("? ", 5000),
    }));
    CAPTURE(text.substr(0, 30));
    const Loaded loaded = load_text("t", text +
                                             "\n---\nkind: Namespace\napiVersion: v1\nmetadata: "
                                             "{name: a}\n");
    CHECK(loaded.has_errors());
    CHECK(loaded.problems.size() < 5);
    CHECK(loaded.cluster.namespaces().contains("a"));
}

TEST_CASE("input: nesting up to the limit is read") {
    const std::size_t depth = limits::kDepth - 2;
    for (const std::string& key : {std::string("a: "), std::string("\"a\": ")}) {
        const std::string open = key[0] == '"' ? "{\"kind\": \"X\", " : "kind: X\n";
        const Loaded loaded = load_text(
            "t", open + key + repeat("[", depth) + repeat("]", depth) + (key[0] == '"' ? "}" : ""));
        CAPTURE(all_problems(loaded));
        CHECK(loaded.problems.empty());
        CHECK(loaded.skipped == 1);
    }
}

TEST_CASE("input: aliases that multiply are refused (billion laughs)") {
    std::string text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
    for (char c = 'b'; c < 'j'; ++c) {
        const std::string before(1, static_cast<char>(c - 1));
        text += std::string(1, c) + ": &" + c + " [" + repeat("*" + before + ", ", 10) + "]\n";
    }
    const Loaded loaded = load_text("t", text);
    CHECK(mentions(loaded, "aliases that expand"));
    CHECK(loaded.problems.size() == 1);

    // The same by text size, by merging, and into itself.
    const Loaded fat = load_text(
        "t", "a: &a " + std::string(1 << 20, 'x') + "\nb: [" + repeat("*a, ", 5000) + "]\n");
    CHECK(mentions(fat, "larger than"));
    const Loaded self = load_text("t", "a: &a [*a]\n");
    CHECK(mentions(self, "inside its own anchor"));
    std::string many;
    for (int i = 0; i < 2000; ++i)
        many += "k" + std::to_string(i) + ": &a" + std::to_string(i) + " x\n";
    CHECK(mentions(load_text("t", many), "anchors"));
}

TEST_CASE("input: one object beyond its size is refused, what follows is read") {
    const std::string next = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n";
    const std::string line = "  k: " + std::string(1000, 'x') + "\n";
    const std::size_t lines = limits::kObjectBytes / line.size() + 10;
    SECTION("a document of many lines") {
        const Loaded loaded = load_text(
            "t",
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: p\n  "
            "namespace: shop\nspec:\n" +
                repeat(line, lines) + next);
        CHECK(mentions(loaded, "larger than"));
        CHECK(loaded.problems.size() == 2);
        CHECK(loaded.cluster.namespaces().contains("a"));
        CHECK(loaded.cluster.policies().contains({"shop", "p"}));
    }
    SECTION("what it is comes behind the limit") {
        const Loaded loaded =
            load_text("t", "spec:\n" + repeat(line, lines) +
                               "kind: NetworkPolicy\nmetadata:\n  name: p\n" + next);
        CHECK(loaded.cluster.policies().contains({"default", "p"}));
    }
    SECTION("a document of one line") {
        const Loaded loaded =
            load_text("t", "kind: " + std::string(limits::kObjectBytes + 10, 'x') + "\n" + next);
        CHECK(mentions(loaded, "larger than"));
        CHECK(loaded.cluster.namespaces().contains("a"));
    }
    SECTION("an item of a list") {
        const Loaded loaded = load_text(
            "t", "apiVersion: v1\nkind: List\nitems:\n- kind: X\n" + repeat(line, lines) +
                     "- apiVersion: v1\n  kind: Namespace\n  metadata: {name: b}\n" + next);
        CHECK(mentions(loaded, "larger than"));
        CHECK(loaded.problems.size() == 1);
        CHECK(loaded.cluster.namespaces().size() == 2);
    }
    SECTION("one text in JSON") {
        const Loaded loaded = load_text(
            "t", "{\"a\": \"" + std::string(limits::kObjectBytes + 10, 'x') + "\"}\n" + next);
        CHECK(mentions(loaded, "larger than"));
        CHECK(loaded.cluster.namespaces().contains("a"));
    }
    SECTION("many values") {
        const Loaded loaded =
            load_text("t", "{\"a\": [" + repeat("1,", limits::kObjectNodes + 10) + "1]}\n" + next);
        CHECK(mentions(loaded, "values"));
        CHECK(loaded.cluster.namespaces().contains("a"));
    }
    SECTION("but a dropped field may hold any number") {
        const Loaded loaded = load_text(
            "t",
            "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"}, "
            "\"spec\": {\"volumes\": [" +
                repeat("1,", limits::kObjectNodes + 10) + "1]}}\n");
        CHECK(loaded.problems.empty());
    }
}

TEST_CASE("input: items that wait for their list's kind are limited, and the loss is told") {
    const std::string item = "{\"metadata\":{\"name\":\"a\"}},\n";
    const Loaded loaded =
        load_text("t", "{\"items\":[" + repeat(item, limits::kPendingNodes / 3 + 10) +
                           "{}],\"kind\":\"ConfigMapList\",\"apiVersion\":\"v1\"}");
    CHECK(mentions(loaded, "write kind before items"));
    CHECK(loaded.unreadable);
    CHECK(loaded.skipped > limits::kPendingNodes / 4);
}

TEST_CASE("input: binary data is one clear error") {
    std::string garbage;
    for (std::size_t i = 0; i < 100'000; ++i) garbage += static_cast<char>(i * 7919 % 251);
    struct Row {
        std::string text;
        const char* says;
        bool unreadable;
    };
    const Row row = GENERATE_COPY(values<Row>({
        {garbage, "binary data", true},
        {std::string(100, '\0'), "binary data", true},
        {"\x7f"
         "ELF\x02\x01\x01" +
             std::string(9, '\0'),
         "binary data", true},
        {std::string("\xff\xfek\0i\0", 6), "UTF-16", true},
        {std::string("k\0i\0", 4), "UTF-16", true},
        {std::string("\0k\0i", 4), "UTF-16", true},
        {"\x1f\x8b\x08\x01", "gzip", true},
        {"kind: Pod\x01\n", "control character 0x01", false},
        {"kind: \x04 Pod\n", "control character 0x04", false},
        {std::string("\xff\xfe\0\0k\0\0\0", 8), "UTF-32", true},
        {std::string("\0\0\xfe\xff\0\0\0k", 8), "UTF-32", true},
        {std::string("k\0\0\0", 4), "UTF-32", true},
        {std::string("\0\0\0k", 4), "UTF-32", true},
    }));
    const Loaded loaded = load_text("t", row.text);
    CAPTURE(all_problems(loaded));
    CHECK(mentions(loaded, row.says));
    CHECK(loaded.problems.size() <= 3);
    CHECK(loaded.unreadable == row.unreadable);
    CHECK(loaded.has_errors());
}

TEST_CASE("input: what came before binary data is kept, and a policy it cuts isolates") {
    std::string text =
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n"
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {";
    text += '\0';
    const Loaded loaded = load_text("t", text + "}\n---\nkind: Pod\n");
    CAPTURE(all_problems(loaded));
    CHECK(loaded.unreadable);
    CHECK(loaded.cluster.namespaces().contains("a"));
    CHECK(loaded.cluster.policies().contains({"default", "p"}));
}

TEST_CASE("input: thousands of problems are folded") {
    const Loaded loaded = load_text("t", repeat("---\nkind: [}\n", 5000));
    CHECK(loaded.problems.size() == limits::kProblems + 1);
    CHECK(loaded.problems.back().message == "and 4900 more errors");
    CHECK(loaded.has_errors());
}

// Each of these took time with the square of its size; none ends within a test's patience then.
TEST_CASE("input: time grows with the text and not with its square") {
    SECTION("very many policies without a name in one line") {
        const Loaded loaded =
            load_text("t", "[" + repeat(R"({"kind":"NetworkPolicy"},)", 100'000) + "{}]");
        CHECK(loaded.objects == 100'000);
    }
    SECTION("very many policies of one name that cannot be read") {
        const std::string policy = R"({"kind":"NetworkPolicy","metadata":{"name":"a"}},)";
        const Loaded loaded = load_text("t", "[{]," + repeat(policy, 100'000));
        CHECK(loaded.objects == 10'000);  // more isolate nothing more
    }
    SECTION("line ends that are none to an editor") {
        const Loaded loaded =
            load_text("t", "kind: ConfigMap\na: \"" + repeat("\u2028", 1'000'000) + "\"\n");
        CHECK(loaded.skipped == 1);
    }
    SECTION("brackets that never close, one in each line") {
        const Loaded loaded = load_text("t", "a: " + repeat("[\n", 1'000'000));
        CHECK(mentions(loaded, "nesting deeper than"));
    }
}
