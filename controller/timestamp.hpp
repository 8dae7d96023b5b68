#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace podfence {

/// "2026-03-04T05:06:07.891Z": RFC 3339, UTC, milliseconds.
std::string timestamp(std::chrono::system_clock::time_point time);
/// "2026-03-04T05:06:07Z" of seconds since 1970, as Kubernetes prints times; the inverse of
/// parse_time() for the years 0 to 9999.
std::string timestamp_s(std::int64_t seconds);

}  // namespace podfence
