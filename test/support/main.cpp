// The one main() of every Catch2 program: compiled once, it is the slowest part of Catch2. It adds
// to Catch2's own what skip.hpp promises: a run in which every case was skipped exits with 77. And
// a closing line with the counts, for scripts.
#define CATCH_CONFIG_RUNNER
#include <algorithm>
#include <cstddef>
#include <iostream>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "test/support/skip.hpp"

namespace podfence::test {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitSkipped = 77;  // SKIP_RETURN_CODE in test/CMakeLists.txt

std::string current_case;
bool current_is_skipped = false;
std::size_t cases_passed = 0;
std::size_t cases_failed = 0;
std::size_t cases_skipped = 0;

class SkipCounter : public Catch::TestEventListenerBase {
  public:
    using TestEventListenerBase::TestEventListenerBase;

    void testCaseStarting(const Catch::TestCaseInfo& info) override {
        current_case = info.name;
        current_is_skipped = false;
    }

    void testCaseEnded(const Catch::TestCaseStats& stats) override {
        if (!stats.totals.assertions.allOk()) {
            ++cases_failed;
        } else if (current_is_skipped) {
            ++cases_skipped;
        } else {
            ++cases_passed;
        }
    }
};

}  // namespace

void skip(std::string_view reason) {
    current_is_skipped = true;
    std::cout << "SKIPPED: " << current_case << ": " << reason << std::endl;
}

}  // namespace podfence::test

using podfence::test::SkipCounter;  // the macro makes a name of its argument
CATCH_REGISTER_LISTENER(SkipCounter)

int main(int argc, char* argv[]) {
    using namespace podfence::test;
    // Catch2's status is the number of failures, 77 of them would look like a skip.
    const int status = Catch::Session().run(argc, argv);
    const bool nothing_run = cases_passed + cases_failed + cases_skipped == 0;  // --list-tests
    if (nothing_run) return status;
    std::cout << cases_passed << " passed, " << cases_failed << " failed, " << cases_skipped
              << " skipped" << std::endl;
    if (status != 0) return kExitFailed;
    return cases_passed == 0 ? kExitSkipped : 0;
}
