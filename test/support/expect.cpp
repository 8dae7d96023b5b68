#include "test/support/expect.hpp"

#include <catch2/catch.hpp>

#include "test/support/judge.hpp"

namespace podfence::test {

void expect(const Cluster& cluster, const Flow& flow, bool verdict, const ExplainOptions& options) {
    const RulesetJudge judge(cluster, options);
    INFO(to_string(flow) << "\n" << judge.trace(flow));
    CHECK(allowed(cluster, flow, options) == verdict);
    CHECK(explain(cluster, flow, options).allowed() == verdict);
    CHECK(judge.allowed(flow) == verdict);
}

}  // namespace podfence::test
