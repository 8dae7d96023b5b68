#include "cmd/terminal.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <clocale>
#include <cstdlib>
#include <cstring>

#include <boost/json.hpp>
#include <fcntl.h>
#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "nft/words.hpp"

namespace podfence::cmd {

namespace {

/// A terminal that does not tell its size is taken for the classic one.
constexpr std::size_t kColumnsDefault = 80;
/// Lists of plain values stay on one line up to this length.
constexpr std::size_t kJsonLineMax = 100;

bool environment_has(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0';
}

/// COLUMNS goes before what the terminal says, as in other programs.
std::size_t terminal_columns(int fd) {
    if (const char* text = std::getenv("COLUMNS"); text != nullptr) {
        std::size_t columns = 0;
        const char* end = text + std::strlen(text);
        const auto parsed = std::from_chars(text, end, columns);
        if (parsed.ec == std::errc() && parsed.ptr == end && columns > 0) return columns;
    }
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return kColumnsDefault;
}

std::string_view escape_of(Tone tone) {
    switch (tone) {
        case Tone::plain:
            return {};
        case Tone::good:
            return "\x1b[32m";
        case Tone::bad:
            return "\x1b[1;31m";
        case Tone::warn:
            return "\x1b[33m";
        case Tone::dim:
            return "\x1b[2m";
        case Tone::strong:
            return "\x1b[1m";
    }
    return {};
}

}  // namespace

Output::Output(std::FILE* file) : file_(file), terminal_(::isatty(::fileno(file)) == 1) {
    set_colour(ColourWhen::automatic);
    if (!terminal_) return;
    columns_ = terminal_columns(::fileno(file));
    std::setlocale(LC_CTYPE, "");
    unicode_ = std::strcmp(::nl_langinfo(CODESET), "UTF-8") == 0;
}

void Output::set_colour(ColourWhen when) {
    const char* term = std::getenv("TERM");
    const bool dumb = term != nullptr && std::strcmp(term, "dumb") == 0;
    colour_ = when == ColourWhen::always ||
              (when == ColourWhen::automatic && terminal_ && !environment_has("NO_COLOR") && !dumb);
}

void Output::write(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size() && error_ == 0) {
        error_ = errno;
    }
}

void Output::line(std::string_view text) {
    write(text);
    write("\n");
}

void Output::json(const boost::json::value& value) {
    line(pretty(value));
}

std::string Output::paint(Tone tone, std::string_view text) const {
    const std::string_view escape = escape_of(tone);
    if (!colour_ || escape.empty()) return std::string(text);
    return std::string(escape).append(text).append("\x1b[0m");
}

int Output::flush() {
    if (std::fflush(file_) != 0 && error_ == 0) error_ = errno;
    return error_;
}

void Terminal::error(std::string_view message) {
    err.line("podfence: " + err.paint(Tone::bad, "error:") + " " + std::string(message));
}

void Terminal::warning(std::string_view message) {
    err.line("podfence: " + err.paint(Tone::warn, "warning:") + " " + std::string(message));
}

void Terminal::hint(std::string_view message) {
    err.line("  " + std::string(message));
}

void occupy_standard_streams() {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
        if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
        // Opened the wrong way round, so that use of the stream goes on failing with EBADF. The
        // lowest free number is this one.
        (void)::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
}

std::size_t display_width(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
    }));
}

std::string padded(std::string_view text, std::size_t width) {
    const std::size_t have = display_width(text);
    return std::string(text) + std::string(width > have ? width - have : 0, ' ');
}

std::string padded_left(std::string_view text, std::size_t width) {
    const std::size_t have = display_width(text);
    return std::string(width > have ? width - have : 0, ' ') + std::string(text);
}

std::string printable(std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string safe;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f) {
            safe += c;
        } else {
            safe += {'\\', 'x', kHex[byte >> 4U], kHex[byte & 15U]};
        }
    }
    return safe;
}

std::string with_thousands(std::size_t number) {
    return nft::with_thousands(number);
}

std::string count_of(std::size_t count, std::string_view singular) {
    return nft::count_of(count, singular);
}

namespace {

bool is_plain(const boost::json::value& value) {
    return !value.is_object() && !value.is_array();
}

/// Numbers and booleans make rows of a table, which stay on one line however long.
bool fits_on_line(const boost::json::array& array, std::size_t length) {
    return length <= kJsonLineMax ||
           std::none_of(array.begin(), array.end(),
                        [](const boost::json::value& item) { return item.is_string(); });
}

void print(std::string& text, const boost::json::value& value, std::size_t indent) {
    const std::string margin(indent + 2, ' ');
    const auto separate = [&](bool first) { text += (first ? "\n" : ",\n") + margin; };
    const auto close = [&](char bracket) {
        text += "\n" + std::string(indent, ' ');
        text += bracket;
    };
    if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
        text += '{';
        for (const auto& member : *object) {
            separate(text.back() == '{');
            text += boost::json::serialize(boost::json::string(member.key())) + ": ";
            print(text, member.value(), indent + 2);
        }
        close('}');
        return;
    }
    if (const auto* array = value.if_array(); array != nullptr && !array->empty()) {
        if (std::all_of(array->begin(), array->end(), is_plain)) {
            const std::string flat = boost::json::serialize(*array);
            if (fits_on_line(*array, flat.size())) {
                text += flat;
                return;
            }
        }
        text += '[';
        bool first = true;
        for (const auto& item : *array) {
            separate(first);
            first = false;
            print(text, item, indent + 2);
        }
        close(']');
        return;
    }
    text += boost::json::serialize(value);
}

}  // namespace

std::string pretty(const boost::json::value& value) {
    std::string text;
    print(text, value, 0);
    return text;
}

}  // namespace podfence::cmd
