#include "controller/log.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <type_traits>
#include <utility>

#include <poll.h>
#include <unistd.h>

#include "controller/text_safety.hpp"
#include "controller/timestamp.hpp"

namespace podfence {

namespace {

/// Of one value, before escaping; of a line with its newline: what a pipe takes in one piece
/// (PIPE_BUF).
constexpr std::size_t kValueBytesMax = 512;
constexpr std::size_t kLineBytesMax = 4096;

/// Can the value stand without quotes?
bool is_plain(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("-_./:@+,").find(c) != std::string_view::npos;
    });
}

std::string number_text(double number) {
    if (!std::isfinite(number)) return "null";
    std::array<char, 32> text{};
    const int size = std::snprintf(text.data(), text.size(), "%.6g", number);
    return {text.data(), static_cast<std::size_t>(size)};
}

std::string value_text(const LogField::Value& value, LogFormat format) {
    return std::visit(
        [&](const auto& v) -> std::string {
            using V = std::decay_t<decltype(v)>;
            if constexpr (std::is_same_v<V, std::string_view>) {
                const std::string cut = shortened(v, kValueBytesMax);
                return format == LogFormat::text && is_plain(cut) ? cut : json_quoted(cut);
            } else if constexpr (std::is_same_v<V, bool>) {
                return v ? "true" : "false";
            } else if constexpr (std::is_same_v<V, double>) {
                return number_text(v);
            } else {
                return std::to_string(v);
            }
        },
        value);
}

/// Builds one line in either format, leaving out the fields that no longer fit.
class Line {
  public:
    Line(LogFormat format, Log::Wall time, LogLevel level, std::string_view message)
        : format_(format) {
        const std::string_view name = to_string(level);
        if (format_ == LogFormat::text) {
            text_ = timestamp(time) + ' ' + std::string(name) + ' ' + std::string(message);
        } else {
            text_ = R"({"time":")" + timestamp(time) + R"(","level":")" + std::string(name) +
                    R"(","msg":)" + json_quoted(message);
        }
    }

    void add(const LogField& field) {
        std::string part = format_ == LogFormat::text ? ' ' + std::string(field.key) + '='
                                                      : ",\"" + std::string(field.key) + "\":";
        part += value_text(field.value, format_);
        if (text_.size() + part.size() + 2 <= kLineBytesMax) text_ += part;
    }

    std::string take() {
        text_ += format_ == LogFormat::text ? "\n" : "}\n";
        return std::move(text_);
    }

  private:
    LogFormat format_;
    std::string text_{};
};

}  // namespace

std::string_view to_string(LogLevel level) {
    switch (level) {
        case LogLevel::debug:
            return "debug";
        case LogLevel::info:
            return "info";
        case LogLevel::warning:
            return "warning";
        case LogLevel::error:
            return "error";
    }
    return "?";
}

std::optional<LogLevel> parse_log_level(std::string_view text) {
    for (const auto level : {LogLevel::debug, LogLevel::info, LogLevel::warning, LogLevel::error}) {
        if (text == to_string(level)) return level;
    }
    return std::nullopt;
}

std::optional<LogFormat> parse_log_format(std::string_view text) {
    if (text == "text") return LogFormat::text;
    if (text == "json") return LogFormat::json;
    return std::nullopt;
}

Log::Log(Options options)
    : Log(
          options,
          [](std::string_view line) { return write_without_blocking(STDERR_FILENO, line); },
          [] {
              return Times{std::chrono::system_clock::now(), std::chrono::steady_clock::now()};
          }) {}

Log::Log(Options options, Write write, std::function<Times()> now)
    : options_(options), write_(std::move(write)), now_(std::move(now)) {}

void Log::write(LogLevel level, LogMessage message, std::initializer_list<LogField> fields) {
    if (!enabled(level)) return;
    const Times now = now_();
    const auto [found, fresh] = budgets_.try_emplace(message.text());
    Budget& budget = found->second;
    if (fresh) budget = {.left = static_cast<double>(options_.burst), .counted = now.steady};
    count(budget, now.steady);
    budget.level = level;
    if (budget.left < 1) {
        const auto before = due();
        ++budget.suppressed;
        if (on_suppressed_ && due() != before) on_suppressed_();
        return;
    }
    put(level, message.text(), budget, now.wall, fields);
}

void Log::count(Budget& budget, Steady now) const {
    const std::chrono::duration<double> passed = now - budget.counted;
    const std::chrono::duration<double> refill = options_.refill;
    budget.left = std::min<double>(options_.burst, budget.left + passed / refill);
    budget.counted = now;
}

/// When there is budget for a line, to the next millisecond.
Log::Steady Log::due(const Budget& budget) const {
    const auto wait = std::max(0.0, 1 - budget.left) * options_.refill;
    return budget.counted + std::chrono::ceil<std::chrono::milliseconds>(wait);
}

std::optional<Log::Steady> Log::due() const {
    std::optional<Steady> first;
    for (const auto& [message, budget] : budgets_) {
        if (budget.suppressed == 0) continue;
        first = first ? std::min(*first, due(budget)) : due(budget);
    }
    return first;
}

void Log::tell_suppressed(bool at_end) {
    const Times now = now_();
    for (auto& [message, budget] : budgets_) {
        if (budget.suppressed == 0 || (!at_end && due(budget) > now.steady)) continue;
        count(budget, now.steady);
        put(budget.level, message, budget, now.wall, {});
    }
}

void Log::put(LogLevel level, std::string_view message, Budget& budget, Wall now,
              std::initializer_list<LogField> fields) {
    budget.left -= 1;
    Line line(options_.format, now, level, message);
    // First what says that something is missing, or it might itself be left out.
    if (budget.suppressed > 0) line.add({"suppressed", std::exchange(budget.suppressed, 0)});
    if (lost_ > 0) line.add({"lines_lost", lost_});
    for (const LogField& field : fields) line.add(field);
    if (write_(line.take())) {
        lost_ = 0;
    } else {
        ++lost_;
    }
}

bool write_without_blocking(int fd, std::string_view line) {
    pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
    // A pipe is writable when PIPE_BUF bytes fit, so that a line of that size is taken at once.
    if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return false;
    while (!line.empty()) {
        const ssize_t written = ::write(fd, line.data(), line.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        line.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

}  // namespace podfence
