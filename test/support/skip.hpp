#pragma once

#include <string_view>

namespace podfence::test {

/// Marks the running test case as skipped and prints "SKIPPED: <test case>: <reason>". It does not
/// leave the test case: use PODFENCE_SKIP there, or return yourself.
void skip(std::string_view reason);

}  // namespace podfence::test

/// Leaves the running TEST_CASE as skipped, with the reason (a string): what is missing, and what
/// would be tested if it were there. Catch2 v2 knows no skips; ctest learns it from exit status 77,
/// which a program gives when every case it ran was skipped and nothing failed. So what may be
/// skipped is a TEST_CASE of its own, not a SECTION: a case is skipped as a whole or not at all.
/// `sudo test/run` counts skips and prints their reasons.
#define PODFENCE_SKIP(reason)           \
    do {                                \
        ::podfence::test::skip(reason); \
        return;                         \
    } while (false)
