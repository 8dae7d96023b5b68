#include <catch2/catch.hpp>

#include "controller/selector.hpp"
#include "test/support/input.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

const NetworkPolicy& only_policy(const Loaded& loaded) {
    REQUIRE(loaded.cluster.policies().size() == 1);
    return loaded.cluster.policies().begin()->second;
}

}  // namespace

TEST_CASE("input: problems give file, line, object, field, value and remedy") {
    const Loaded loaded = load_text("shop.yaml",
                                    "# head\n"
                                    "apiVersion: networking.k8s.io/v1\n"
                                    "kind: NetworkPolicy\n"
                                    "metadata:\n"
                                    "  name: db\n"
                                    "  namespace: shop\n"
                                    "spec:\n"
                                    "  podSelector: {}\n"
                                    "  ingress:\n"
                                    "  - from:\n"
                                    "    - podSelector: {}\n"
                                    "    - ipBlock:\n"
                                    "        cidr: 10.0.0.300/8\n");
    REQUIRE(loaded.problems.size() == 1);
    CHECK(to_string(loaded.problems[0]) ==
          "shop.yaml:13: error: NetworkPolicy shop/db: spec.ingress[0].from[1].ipBlock.cidr: "
          "\"10.0.0.300/8\" is no CIDR: bad address (this peer matches nothing until it is "
          "mended)");
    CHECK(only_policy(loaded).pos == SourcePos{"shop.yaml", 2});
    CHECK(only_policy(loaded).ingress_rules[0].pos == SourcePos{"shop.yaml", 10});
}

TEST_CASE("input: text that is no YAML or JSON is told with its line and the likely reason") {
    struct Row {
        std::string text;
        std::uint32_t line;
        const char* says;
    };
    const std::string head = "kind: ConfigMap\ndata:\n";
    const Row row = GENERATE_COPY(values<Row>({
        {head + "  a: {{ .Values.a }}\n", 3, "looks like a template"},
        {head + "  {{- with .Values.a }}\n  a: b\n", 3, "looks like a template"},
        {"{{ if .a }}\n" + head, 1, "looks like a template"},
        {head + "\ta: b\n", 3, "spaces, not with tabs"},
        {head + "  a: {cidr: ::/0}\n", 3, "a colon in quotes"},
        // An unclosed quote is best mended where it opens; a bracket, where it was missed.
        {head + "  a: \"b\n  c: d\n  e: f\n", 3, "while scanning a quoted scalar"},
        {head + "  a: 'b\n  c: 'd'\n", 4, "a block mapping that begins in line 3"},
        {head + "  a: [b\n  c: d\n", 4, "while parsing a flow sequence that begins in line 3"},
        {head + "  a: b\n   c: d\n", 4, "mapping values are not allowed"},
        {head + "  a: *b\n", 3, "the YAML alias *b without an anchor before it"},
        {head + "  # caf\xe9\n  a: b\n", 3, "no UTF-8 text"},
        {head + "  b: \"\xe2\x80\xa8 and \xc2\x85 next\"\n  a: [}\n", 4, "did not find expected"},
        {"{\n\"a\": {\"b\": \"c\",}\n}", 2, "in column 16, at \"}\""},
        {"apiVersion: v1\n" + head + "apiVersion: v1\nkind: Pod\n", 1, "without a line ---"},
    }));
    CAPTURE(row.text);
    const Loaded loaded = load_text("t", row.text);
    CAPTURE(all_problems(loaded));
    REQUIRE(loaded.problems.size() == 1);
    CHECK(loaded.problems[0].pos == SourcePos{"t", row.line});
    CHECK(loaded.problems[0].message.find(row.says) != std::string::npos);
    CHECK_FALSE(loaded.unreadable);
}

TEST_CASE("input: a template in a text that is none of YAML's business is no error") {
    const Loaded loaded = load_text(
        "t",
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: |\n    {{ .Values.a }}\n  b: \"{{ b }}\"\n");
    CHECK(loaded.problems.empty());
    CHECK(loaded.skipped == 1);
}

TEST_CASE("input: a kustomization is told, since nobody has built it") {
    const Loaded loaded = load_text(
        "t",
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n");
    REQUIRE(loaded.problems.size() == 1);
    CHECK(loaded.problems[0].severity == Severity::warning);
    CHECK(loaded.problems[0].remedy.find("kubectl kustomize") != std::string::npos);
    CHECK(loaded.skipped == 1);
}
