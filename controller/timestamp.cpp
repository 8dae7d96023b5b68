#include "controller/timestamp.hpp"

#include <array>
#include <cstdio>

namespace podfence {

namespace {

using std::chrono::floor;

/// "2026-03-04T05:06:07"
std::string date_and_time(std::chrono::sys_seconds time) {
    const auto day = floor<std::chrono::days>(time);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss clock{time - day};
    std::array<char, 48> text{};
    const int size = std::snprintf(
        text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
        static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
        static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
        static_cast<int>(clock.seconds().count()));
    return {text.data(), static_cast<std::size_t>(size)};
}

}  // namespace

std::string timestamp(std::chrono::system_clock::time_point time) {
    const auto seconds = floor<std::chrono::seconds>(time);
    const auto rest = floor<std::chrono::milliseconds>(time - seconds);
    std::string fraction = std::to_string(rest.count());
    fraction.insert(0, 3 - fraction.size(), '0');
    return date_and_time(seconds) + '.' + fraction + 'Z';
}

std::string timestamp_s(std::int64_t seconds) {
    return date_and_time(std::chrono::sys_seconds(std::chrono::seconds(seconds))) + 'Z';
}

}  // namespace podfence
