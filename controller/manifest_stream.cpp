#include "controller/manifest_stream.hpp"

#include <algorithm>

#include "controller/limits.hpp"

namespace podfence {

namespace {

constexpr std::string_view kUtf8Mark = "\xef\xbb\xbf";

constexpr std::string_view kBlank = " \t\r\n";

/// In JSON an opening brace is followed by a quote or its end, in YAML's flow style most often not;
/// what starts alike means the same in both.
bool starts_json(char brace, char next) {
    return (brace == '{' ? std::string_view("\"}") : std::string_view("{]")).find(next) !=
           std::string_view::npos;
}

/// By its mark, or since manifests start with ASCII, of which three bytes are zero there.
bool is_utf32(std::string_view start) {
    using namespace std::string_view_literals;
    if (start.starts_with("\xff\xfe\0\0"sv) || start.starts_with("\0\0\xfe\xff"sv)) return true;
    return start.size() > 3 && (start[0] == '\0') != (start[3] == '\0') &&
           start.substr(1, 2) == "\0\0"sv;
}

/// By its mark, or since manifests start with ASCII, half of which is zero there.
bool is_utf16(std::string_view start) {
    const auto ascii = [](char c) { return c >= '\t' && c <= '~'; };
    return start.starts_with("\xff\xfe") || start.starts_with("\xfe\xff") ||
           (start.size() > 1 &&
            ((start[0] == '\0' && ascii(start[1])) || (ascii(start[0]) && start[1] == '\0')));
}

}  // namespace

void ManifestStream::fail(const std::string& message, const std::string& remedy) {
    failed_ = true;
    finish();
    loader_.error(line_, message, remedy);
}

bool ManifestStream::feed(std::string_view bytes) {
    if (failed_) return false;
    if (bytes_ == 0 && is_utf32(bytes)) {
        fail("UTF-32 text", "save it as UTF-8; nothing of it is in force");
        return false;
    }
    if (bytes_ == 0 && is_utf16(bytes)) {
        fail("UTF-16 text", "save it as UTF-8; nothing of it is in force");
        return false;
    }
    if (bytes_ == 0 && bytes.starts_with("\x1f\x8b")) {
        fail("gzip data", "unpack it, as gunzip does; nothing of it is in force");
        return false;
    }
    if (bytes_ == 0 && bytes.starts_with(kUtf8Mark)) bytes.remove_prefix(kUtf8Mark.size());
    const std::size_t room = limits::kSourceBytes - std::min(bytes_, limits::kSourceBytes);
    const std::string_view text = bytes.substr(0, std::min(bytes.find('\0'), room));
    bytes_ += text.size();
    take_any_ends(text);
    if (text.size() == bytes.size()) return true;
    if (text.size() == room) {
        fail("more than " + std::to_string(limits::kSourceBytes >> 20) + " MiB",
             "split the input; the rest of it was not read");
    } else {
        fail("binary data, no manifest", "give YAML or JSON; what follows was not read");
    }
    return false;
}

void ManifestStream::take_any_ends(std::string_view bytes) {
    if (std::exchange(after_return_, false) && bytes.starts_with('\n')) bytes.remove_prefix(1);
    if (bytes.find('\r') == std::string_view::npos) {
        take(bytes);
        return;
    }
    after_return_ = bytes.ends_with('\r');
    std::string plain;
    plain.reserve(bytes.size());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const bool pair = bytes[i] == '\n' && i > 0 && bytes[i - 1] == '\r';
        if (!pair) plain += bytes[i] == '\r' ? '\n' : bytes[i];
    }
    take(plain);
}

void ManifestStream::take(std::string_view bytes) {
    while (!bytes.empty()) {
        const std::size_t newline = bytes.find('\n');
        const std::string_view piece = bytes.substr(0, std::min(newline, bytes.size() - 1) + 1);
        if (mode_ == Mode::json) {
            bytes.remove_prefix(take_json(piece));
        } else if (!opening_.empty() || (mode_ == Mode::between && opens(piece))) {
            bytes.remove_prefix(take_opening(bytes));
        } else {
            take_text(piece);
            bytes.remove_prefix(piece.size());
        }
    }
}

/// Whether a brace is the first thing of the line.
bool ManifestStream::opens(std::string_view piece) const {
    const std::size_t first = piece.find_first_not_of(kBlank);
    return first != std::string_view::npos && (piece[first] == '{' || piece[first] == '[') &&
           partial_.find_first_not_of(kBlank) == std::string::npos;
}

/// Holds back a brace and what follows up to the first sign of what it starts. Nothing but that is
/// taken, so that many small documents in one line cost no more than one.
std::size_t ManifestStream::take_opening(std::string_view bytes) {
    std::size_t used = 0;
    if (opening_.empty()) {
        opening_line_ = line_;
        used = bytes.find_first_not_of(kBlank) + 1;
        opening_ = std::exchange(partial_, {});
        opening_ += bytes.substr(0, used);
    }
    const std::size_t next = bytes.find_first_not_of(kBlank, used);
    const bool known = next != std::string_view::npos;
    const std::size_t end = known ? next + 1 : bytes.size();
    opening_ += bytes.substr(used, end - used);
    if (!known && opening_.size() <= limits::kReadBytes) return end;
    const char brace = opening_[opening_.find_first_not_of(kBlank)];
    if (known && starts_json(brace, bytes[next])) {
        start_json();
    } else {
        start_yaml();
    }
    return end;
}

void ManifestStream::start_json() {
    mode_ = Mode::json;
    line_ = opening_line_;
    json_.emplace(loader_, line_);
    at_line_start_ = false;
    const std::string held = std::exchange(opening_, {});
    take(held);
}

void ManifestStream::start_yaml() {
    mode_ = Mode::yaml;
    line_ = opening_line_;
    const std::string held = std::exchange(opening_, {});
    take(held);
}

/// A piece of a line, maybe with its end.
void ManifestStream::take_text(std::string_view piece) {
    const bool whole = piece.ends_with('\n');
    if (whole) piece.remove_suffix(1);
    if (whole && partial_.empty()) {
        take_line(piece);
        return;
    }
    if (!overlong_) partial_ += piece;
    // The line is then longer than an object may be: what is kept of it suffices to see that.
    overlong_ = partial_.size() > limits::kObjectBytes;
    if (whole) end_partial();
}

void ManifestStream::end_partial() {
    overlong_ = false;
    take_line(partial_);
    // Keeps its memory for the next one, unless that is unusually much.
    partial_.clear();
    if (partial_.capacity() > limits::kReadBytes) partial_.shrink_to_fit();
}

void ManifestStream::take_line(std::string_view text) {
    if (mode_ == Mode::yaml && (is_document_start(text) || is_document_end(text))) {
        yaml_.finish();
        mode_ = Mode::between;
    }
    if (mode_ == Mode::yaml || !is_empty_outside_documents(text)) {
        mode_ = Mode::yaml;
        yaml_.line(text, line_);
    }
    ++line_;
}

/// Gives how much of the piece belonged to the document.
std::size_t ManifestStream::take_json(std::string_view piece) {
    if (json_->broken() && at_line_start_) return take_behind_error(piece);
    const std::size_t used = json_->feed(piece, line_);
    at_line_start_ = piece.ends_with('\n');
    if (used == piece.size() && at_line_start_) ++line_;
    if (json_->done()) end_json();
    return used;
}

/// Behind an error only a separator can start something new. Holds back the start of a line until
/// it is known whether it is one.
std::size_t ManifestStream::take_behind_error(std::string_view piece) {
    constexpr std::size_t kKnown = 4;
    const std::size_t used = std::min(kKnown - partial_.size(), piece.size());
    partial_ += piece.substr(0, used);
    if (partial_.size() < kKnown && !partial_.ends_with('\n')) return used;
    const std::string held = std::exchange(partial_, {});
    if (is_document_start(held.substr(0, held.find_last_not_of("\r\n") + 1))) {
        end_json();
        take_text(held);
        return used;
    }
    json_->feed(held, line_);
    at_line_start_ = held.ends_with('\n');
    if (at_line_start_) ++line_;
    return used;
}

void ManifestStream::end_json() {
    json_->finish();
    json_.reset();
    mode_ = Mode::between;
}

void ManifestStream::finish() {
    // Only a brace came: whatever it starts is incomplete.
    if (!opening_.empty()) start_yaml();
    if (json_) {
        partial_.clear();  // less than a separator
        end_json();
    }
    if (!partial_.empty()) end_partial();
    yaml_.finish();
    mode_ = Mode::between;
    loader_.end_source();
}

}  // namespace podfence
