#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace podfence {

enum class LogLevel : std::uint8_t { debug, info, warning, error };
enum class LogFormat : std::uint8_t {
    text,  ///< 2026-03-04T05:06:07.891Z warning policy refused policy=shop/db error="..."
    json,  ///< The same as one JSON object a line: "time", "level", "msg", then the fields.
};
std::string_view to_string(LogLevel level);
std::optional<LogLevel> parse_log_level(std::string_view text);
std::optional<LogFormat> parse_log_format(std::string_view text);

/// What a line says, as a literal: messages are the keys by which lines are limited, so that what
/// changes from one to the next (names, numbers, other people's texts) belongs into fields.
class LogMessage {
  public:
    consteval LogMessage(const char* literal)  // NOLINT(google-explicit-constructor): its purpose
        : text_(literal) {}
    constexpr std::string_view text() const { return text_; }

  private:
    std::string_view text_;
};

/// "policy=shop/db". Lives no longer than the call it is an argument of.
struct LogField {
    using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

    LogField(const char* name, const std::string& text)
        : key(name), value(std::string_view(text)) {}
    LogField(const char* name, std::string_view text) : key(name), value(text) {}
    LogField(const char* name, const char* text) : key(name), value(std::string_view(text)) {}
    LogField(const char* name, bool flag) : key(name), value(flag) {}
    LogField(const char* name, double number) : key(name), value(number) {}
    LogField(const char* name, int number) : key(name), value(std::int64_t{number}) {}
    LogField(const char* name, std::int64_t number) : key(name), value(number) {}
    LogField(const char* name, std::uint32_t number) : key(name), value(std::uint64_t{number}) {}
    LogField(const char* name, std::uint64_t number) : key(name), value(number) {}

    std::string_view key;
    Value value;
};

/// The agent's log: one line an event, structured, on stderr.
///
/// It never costs more than it is worth: of one message at most `burst` lines follow each other,
/// then one every `refill`; the next that passes says how many did not, or a line of its own when
/// none comes (see due()). A line has a limited
/// length, and other people's text in it cannot forge a line or drive a terminal. Who does not read
/// what we write loses lines (which are counted), never the node's enforcement its time.
class Log {
  public:
    using Wall = std::chrono::system_clock::time_point;
    using Steady = std::chrono::steady_clock::time_point;
    struct Times {
        Wall wall;
        Steady steady;
    };
    struct Options {
        LogFormat format = LogFormat::text;
        LogLevel level = LogLevel::info;  ///< And above.
        int burst = 10;
        std::chrono::milliseconds refill{6'000};
    };
    /// Takes a whole line with its newline; false: it could not.
    using Write = std::function<bool(std::string_view line)>;

    /// To stderr, with the machine's clocks.
    explicit Log(Options options);
    Log(Options options, Write write, std::function<Times()> now);

    bool enabled(LogLevel level) const { return level >= options_.level; }
    void write(LogLevel level, LogMessage message, std::initializer_list<LogField> fields = {});
    void debug(LogMessage message, std::initializer_list<LogField> fields = {}) {
        write(LogLevel::debug, message, fields);
    }
    void info(LogMessage message, std::initializer_list<LogField> fields = {}) {
        write(LogLevel::info, message, fields);
    }
    void warning(LogMessage message, std::initializer_list<LogField> fields = {}) {
        write(LogLevel::warning, message, fields);
    }
    void error(LogMessage message, std::initializer_list<LogField> fields = {}) {
        write(LogLevel::error, message, fields);
    }

    /// When tell_suppressed() is to be called next; nullopt: not before `on_suppressed`.
    std::optional<Steady> due() const;
    /// Says of messages whose budget allows a line again how many lines did not pass; at the end
    /// of all.
    void tell_suppressed(bool at_end = false);
    /// Called when due() begins to be something or is earlier than before; may be empty.
    void on_suppressed(std::function<void()> call) { on_suppressed_ = std::move(call); }

  private:
    /// How much of one message may pass, in units of `refill`.
    struct Budget {
        double left = 0;
        Steady counted{};
        std::uint64_t suppressed = 0;
        LogLevel level = LogLevel::info;  ///< Of the last line.
    };

    void count(Budget& budget, Steady now) const;
    Steady due(const Budget& budget) const;
    void put(LogLevel level, std::string_view message, Budget& budget, Wall now,
             std::initializer_list<LogField> fields);

    Options options_;
    Write write_;
    std::function<Times()> now_;
    std::function<void()> on_suppressed_{};
    std::map<std::string_view, Budget> budgets_{};  ///< By message; literals, so not many.
    std::uint64_t lost_ = 0;                        ///< Lines that nobody took.
};

/// Writes to a file descriptor that may block its writer, without ever blocking: false when there
/// is no room. For pipes of up to PIPE_BUF bytes, terminals and files.
bool write_without_blocking(int fd, std::string_view line);

}  // namespace podfence
