#include "controller/problem_log.hpp"

#include <string>
#include <utility>

#include "controller/limits.hpp"

namespace podfence {

void ProblemLog::add(Problem problem) {
    std::size_t& count = problem.severity == Severity::error ? errors_ : warnings_;
    if (++count <= limits::kProblems) kept_.push_back(std::move(problem));
}

std::vector<Problem> ProblemLog::take() {
    const auto fold = [&](std::size_t count, Severity severity, const std::string& what) {
        if (count <= limits::kProblems) return;
        kept_.push_back(
            {.severity = severity,
             .message = "and " + std::to_string(count - limits::kProblems) + " more " + what,
             .remedy = "fix the ones above and run again"});
    };
    fold(errors_, Severity::error, "errors");
    fold(warnings_, Severity::warning, "warnings");
    errors_ = warnings_ = 0;
    return std::exchange(kept_, {});
}

}  // namespace podfence
