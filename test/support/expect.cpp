#include "test/support/expect.hpp"

#include <catch2/catch.hpp>

namespace podfence::test {

void expect(const Cluster& cluster, const Flow& flow, bool verdict, const ExplainOptions& options) {
    INFO(to_string(flow));
    CHECK(allowed(cluster, flow, options) == verdict);
    CHECK(explain(cluster, flow, options).allowed() == verdict);
}

}  // namespace podfence::test
