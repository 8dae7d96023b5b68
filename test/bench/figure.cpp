#include "test/bench/figure.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <thread>

#include <boost/json.hpp>
#include <sys/utsname.h>
#include <unistd.h>

#include "nft/error.hpp"

namespace podfence::bench {
namespace {

std::string cpu_model() {
    std::ifstream cpus("/proc/cpuinfo");
    for (std::string line; std::getline(cpus, line);) {
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    }
    return "unknown processor";
}

/// Three digits that count, as a table wants them.
std::string number(double value) {
    char text[32];
    const int decimals = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
    std::snprintf(text, sizeof text, "%.*f", decimals, value);
    return text;
}

std::string ratio_text(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3f", value);
    return text;
}

const char* name_of(Measure measure) {
    switch (measure) {
        case Measure::p50:
            return "p50";
        case Measure::p99:
            return "p99";
        case Measure::max:
            return "max";
        case Measure::ratio:
            return "ratio";
    }
    return "";
}

std::string text_of(const Demand& demand) {
    char bound[32];
    std::snprintf(bound, sizeof bound, "%g", demand.bound);
    return std::string(name_of(demand.of)) + (demand.at_least ? " >= " : " <= ") + bound;
}

bool meets(const Demand& demand, double value) {
    return demand.at_least ? value >= demand.bound : value <= demand.bound;
}

/// "" when nothing is demanded.
const char* verdict_of(const Figure& figure) {
    if (!figure.demand) return "";
    if (meets(*figure.demand, value_of(figure, figure.demand->of))) return "ok";
    return figure.floor && !meets(*figure.demand, *figure.floor) ? "floor" : "MISSED";
}

/// Half of what the middle half of the ratios spans.
double spread_of(const std::vector<double>& all) {
    return (quantile(all, 0.75) - quantile(all, 0.25)) / 2;
}

std::string json_line(const Figure& figure, const char* verdict) {
    boost::json::object line{{"name", figure.name},
                             {"unit", figure.unit},
                             {"p50", value_of(figure, Measure::p50)},
                             {"p99", value_of(figure, Measure::p99)},
                             {"max", value_of(figure, Measure::max)},
                             {"baseline", nullptr},
                             {"ratio", nullptr},
                             {"spread", nullptr},
                             {"floor", nullptr},
                             {"must_be", nullptr},
                             {"verdict", nullptr},
                             {"samples", figure.samples.size()},
                             {"note", figure.note}};
    if (!figure.baseline.empty()) {
        line["baseline"] = quantile(figure.baseline, 0.5);
        line["ratio"] = value_of(figure, Measure::ratio);
        line["spread"] = spread_of(ratios(figure.samples, figure.baseline));
    }
    if (figure.floor) line["floor"] = *figure.floor;
    if (figure.demand) line["must_be"] = text_of(*figure.demand);
    if (*verdict != '\0') line["verdict"] = verdict;
    return boost::json::serialize(line);
}

constexpr const char* kRow = "%-42s %-7s %-13s %8s %8s %9s  %-12s %8s  %-6s %s\n";

void print_row(const Figure& figure, const char* verdict) {
    std::string baseline = "-";
    std::string ratio = "-";
    if (!figure.baseline.empty()) {
        baseline = number(quantile(figure.baseline, 0.5));
        ratio = ratio_text(value_of(figure, Measure::ratio)) + "~" +
                ratio_text(spread_of(ratios(figure.samples, figure.baseline)));
    }
    const bool of_ratio = figure.demand && figure.demand->of == Measure::ratio;
    const std::string floor = !figure.floor ? "-"
                              : of_ratio    ? ratio_text(*figure.floor)
                                            : number(*figure.floor);
    std::printf(kRow, figure.name.c_str(), figure.unit.c_str(),
                figure.demand ? text_of(*figure.demand).c_str() : "-",
                number(value_of(figure, Measure::p50)).c_str(),
                number(value_of(figure, Measure::p99)).c_str(), baseline.c_str(), ratio.c_str(),
                floor.c_str(), verdict, figure.note.c_str());
    std::fflush(stdout);
}

}  // namespace

double quantile(std::vector<double> samples, double share) {
    PODFENCE_CHECK(!samples.empty());
    std::sort(samples.begin(), samples.end());
    return samples[static_cast<std::size_t>(
        std::lround(static_cast<double>(samples.size() - 1) * share))];
}

std::vector<double> ratios(const std::vector<double>& samples,
                           const std::vector<double>& baseline) {
    PODFENCE_CHECK(samples.size() == baseline.size());
    std::vector<double> result(samples.size());
    std::transform(samples.begin(), samples.end(), baseline.begin(), result.begin(),
                   [](double sample, double base) { return sample / base; });
    return result;
}

double value_of(const Figure& figure, Measure measure) {
    switch (measure) {
        case Measure::p50:
            return quantile(figure.samples, 0.5);
        case Measure::p99:
            return quantile(figure.samples, figure.rate ? 0.01 : 0.99);
        case Measure::max:
            return quantile(figure.samples, 1);
        case Measure::ratio:
            return quantile(ratios(figure.samples, figure.baseline), 0.5);
    }
    PODFENCE_CHECK(!"a measure without a case");
    return 0;
}

void Report::start() const {
    if (form_ == Form::json) return;
    utsname system{};
    ::uname(&system);
    std::printf("%s, %u cores, Linux %s\n\n", cpu_model().c_str(),
                std::thread::hardware_concurrency(), system.release);
    std::printf(kRow, "figure", "unit", "must be", "p50", "p99", "baseline", "ratio~spread",
                "floor", "", "");
    std::fflush(stdout);
}

void Report::print(const Figure& figure) {
    const char* verdict = judge_ ? verdict_of(figure) : "";
    missed_ = missed_ || std::string_view(verdict) == "MISSED";
    if (form_ == Form::json) {
        std::cout << json_line(figure, verdict) << std::endl;
    } else {
        print_row(figure, verdict);
    }
}

void Report::progress(const std::string& text) {
    if (::isatty(STDERR_FILENO) != 0) std::cerr << "# " << text << std::endl;
}

}  // namespace podfence::bench
