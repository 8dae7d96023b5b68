#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

namespace podfence::cmd {

/// What a piece of text means; how it looks is decided here alone.
enum class Tone : std::uint8_t { plain, good, bad, warn, dim, strong };

enum class ColourWhen : std::uint8_t { automatic, always, never };

/// One of the process's output streams, as a place for text that a person reads.
class Output {
  public:
    /// Does not own `file`.
    explicit Output(std::FILE* file);

    /// automatic: on a terminal, unless NO_COLOR is set (no-color.org) or TERM is dumb.
    void set_colour(ColourWhen when);

    void write(std::string_view text);
    void line(std::string_view text);
    /// Pretty-printed with a newline at the end.
    void json(const boost::json::value& value);

    /// `text` in the tone's colours, or as it is when there are none.
    std::string paint(Tone tone, std::string_view text) const;
    bool colour() const { return colour_; }
    /// Can the reader show more than ASCII? By the locale on a terminal; files are UTF-8.
    bool unicode() const { return unicode_; }
    /// In characters; `kUnlimited` when the output is not a terminal.
    std::size_t columns() const { return columns_; }
    static constexpr std::size_t kUnlimited = 100000;

    /// Writes out what is buffered. The errno of the first write that failed, 0 when none did.
    int flush();

  private:
    std::FILE* file_;
    bool terminal_ = false;
    bool colour_ = false;
    bool unicode_ = true;
    std::size_t columns_ = kUnlimited;
    int error_ = 0;
};

/// Results on `out`, everything about them (errors, warnings, progress) on `err`.
struct Terminal {
    Output out{stdout};
    Output err{stderr};

    /// "podfence: error: ..." and its like on stderr.
    void error(std::string_view message);
    void warning(std::string_view message);
    void hint(std::string_view message);  ///< An indented line below one of the above.
};

/// Opens /dev/null in place of closed standard streams, so that no socket takes their number and
/// gets our output. Writing to a closed stdout still fails, and is reported.
void occupy_standard_streams();

/// Length in characters of UTF-8 text that has no wide or combining ones.
std::size_t display_width(std::string_view text);
/// Filled up with spaces to `width` characters.
std::string padded(std::string_view text, std::size_t width);
std::string padded_left(std::string_view text, std::size_t width);

/// Control characters as \xNN: what comes from a manifest or from somebody else's table must not
/// drive the terminal.
std::string printable(std::string_view text);

/// "1 pod", "2 pods", "1,234 pods".
std::string count_of(std::size_t count, std::string_view singular);
std::string with_thousands(std::size_t number);

/// Pretty JSON as people and `diff` like it: two spaces, keys in the order given, short lists of
/// plain values on one line.
std::string pretty(const boost::json::value& value);

}  // namespace podfence::cmd
