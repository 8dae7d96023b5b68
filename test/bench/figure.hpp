#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace podfence::bench {

/// What of a figure is bounded.
enum class Measure : std::uint8_t { p50, p99, max, ratio };

struct Demand {
    Measure of = Measure::p50;
    double bound = 0;
    bool at_least = false;  ///< Else at most.
};

/// One measured figure, as raw samples. Of rates p99 is the slow end: what 99 of 100 samples reach.
struct Figure {
    std::string name;
    std::string unit;
    std::vector<double> samples{};
    bool rate = false;  ///< More is better.
    /// What it is compared with: the same work without podfence, measured in turns with it. As many
    /// as samples, or none.
    std::vector<double> baseline{};
    std::optional<Demand> demand{};  ///< None: shown for comparison.
    /// What the demanded measure is when podfence has no part in it: the least work there can be,
    /// or two equal sides compared. A floor beyond the bound excuses a miss.
    std::optional<double> floor{};
    std::string note{};
};

/// `share` 0.5 is the median, 1 the maximum. There must be samples.
double quantile(std::vector<double> samples, double share);
/// Sample by sample, so that what else the machine does falls on both sides.
std::vector<double> ratios(const std::vector<double>& samples, const std::vector<double>& baseline);
/// The value a demand is about.
double value_of(const Figure& figure, Measure measure);

/// Prints figures as they come, as a table's rows or as one JSON object a line, and remembers
/// whether a demand was missed.
class Report {
  public:
    enum class Form : std::uint8_t { table, json };
    /// `judge`: whether demands count; in a smoke run they do not.
    Report(Form form, bool judge) : form_(form), judge_(judge) {}

    /// What the machine is, and the columns.
    void start() const;
    void print(const Figure& figure);
    bool missed() const { return missed_; }

    /// What is going on, on standard error.
    static void progress(const std::string& text);

  private:
    Form form_;
    bool judge_;
    bool missed_ = false;
};

}  // namespace podfence::bench
