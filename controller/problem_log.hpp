#pragma once

#include <cstddef>
#include <vector>

#include "controller/problem.hpp"

namespace podfence {

/// Collects problems and folds what passes limits::kProblems into a count, so that garbage gives a
/// few lines and not thousands. Errors and warnings have a share each: no number of warnings can
/// hide an error.
class ProblemLog {
  public:
    void add(Problem problem);
    std::size_t errors() const { return errors_; }  ///< Reported and folded.
    /// In order of arrival, what was folded last; leaves the log empty.
    std::vector<Problem> take();

  private:
    std::vector<Problem> kept_{};
    std::size_t errors_ = 0;
    std::size_t warnings_ = 0;
};

}  // namespace podfence
