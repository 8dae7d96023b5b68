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
