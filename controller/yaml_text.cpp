#include "controller/yaml_text.hpp"

#include <algorithm>
#include <array>

#include "controller/limits.hpp"
#include "controller/objects.hpp"
#include "controller/relevance.hpp"

namespace podfence {

namespace {

// The searches of string_view for one of several characters call memchr for each character of the
// text: a sixth of all the time that reading took.
bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/// Cuts the first line off, without its end.
std::string_view take_line(std::string_view& text) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

bool is_separator(std::string_view line, std::string_view mark) {
    return line.starts_with(mark) && (line.size() == 3 || is_blank(line[3]));
}

/// What to do with a line and those below it.
enum class Verdict : std::uint8_t { keep, drop_below, drop };

/// What is kept of a pod: besides what is read of it the names of containers, which most often
/// start their lines, and which complaints tell.
bool is_pod_field(std::string_view path) {
    return is_read_of_pod(path) || path == "spec.containers[].name" ||
           path == "spec.initContainers[].name";
}

/// The key of a line "key:" or "key: value" when it is plainly written; else empty.
std::string_view plain_key(std::string_view content) {
    const auto end = std::find_if_not(content.begin(), content.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    });
    const auto size = static_cast<std::size_t>(end - content.begin());
    const std::string_view rest = content.substr(size);
    const bool key = rest.starts_with(':') && (rest.size() == 1 || is_blank(rest[1]));
    return key ? content.substr(0, size) : std::string_view();
}

/// The one that matters hardly anybody has: then the others are dropped by who reads the text.
constexpr std::string_view kAnnotations = "metadata.annotations";

/// Follows the keys of block-style lines by their indentation.
class PathTracker {
  public:
    PathTracker(bool pod, bool annotated) : pod_(pod), annotated_(annotated) {}

    /// Judges a line whose content starts at `column`.
    Verdict judge(std::string_view content, std::size_t column);
    /// A dash at `column`: the next element of the list there.
    void enter_element(std::size_t column);

  private:
    struct Level {
        std::size_t column;
        std::size_t path_size;
        bool element;
    };
    void leave(std::size_t column, bool for_element);

    bool pod_;
    bool annotated_;
    std::vector<Level> levels_{};
    std::string path_{};
};

void PathTracker::leave(std::size_t column, bool for_element) {
    const auto left = [&](const Level& level) {
        // A list may stand at its key's own column; its elements end each other there.
        return level.column > column || (level.column == column && (!for_element || level.element));
    };
    while (!levels_.empty() && left(levels_.back())) levels_.pop_back();
    path_.resize(levels_.empty() ? 0 : levels_.back().path_size);
}

void PathTracker::enter_element(std::size_t column) {
    leave(column, true);
    if (levels_.size() > limits::kDepth) return;  // Parsing it will fail.
    // The text may be the element of a list that was cut: the object starts here.
    if (!levels_.empty()) path_ += "[]";
    levels_.push_back({.column = column, .path_size = path_.size(), .element = true});
}

Verdict PathTracker::judge(std::string_view content, std::size_t column) {
    const std::string_view key = plain_key(content);
    leave(column, false);
    const std::size_t parent = path_.size();
    if (!path_.empty()) path_ += '.';
    path_ += key;
    Verdict verdict = Verdict::keep;
    if (!key.empty()) {
        verdict = pod_ && !is_pod_field(path_)          ? Verdict::drop
                  : annotated_ && path_ == kAnnotations ? Verdict::keep
                  : is_irrelevant(path_)                ? Verdict::drop_below
                                                        : Verdict::keep;
    }
    if (key.empty() || !is_bare_key(content, key)) {
        // Below a value there is no structure to follow: no path with this mark is known.
        path_.resize(parent);
        path_ += '\x01';
    }
    levels_.push_back({.column = column, .path_size = path_.size(), .element = false});
    return verdict;
}

/// Goes over all dashes in front of the line's content.
void enter_dashes(std::string_view& content, std::size_t& column, PathTracker& tracker) {
    while (starts_with_dash(content)) {
        tracker.enter_element(column);
        const std::size_t skip = std::min(content.find_first_not_of(' ', 1), content.size());
        column += skip;
        content.remove_prefix(skip);
    }
}

/// Whether the one object in the text says plainly that it is a Pod.
bool is_pod(std::string_view text) {
    constexpr std::string_view kLine = "kind: Pod\n";
    std::size_t column = std::string_view::npos;
    while (!text.empty()) {
        const std::string_view line = take_line(text);
        if (is_blank_or_comment(line) || is_document_start(line)) continue;
        std::size_t at = indent_of(line);
        if (column == std::string_view::npos) {
            if (starts_with_dash(line.substr(at))) at = line.find_first_not_of(' ', at + 1);
            column = std::min(at, line.size());
        }
        const bool deeper = at > column;
        if (!deeper && line.substr(std::min(at, line.size())) == kLine.substr(0, 9)) return true;
    }
    return false;
}

}  // namespace

void LineMap::add(std::uint32_t text_line, std::uint32_t file_line) {
    runs_.emplace_back(text_line, file_line);
}

std::uint32_t LineMap::operator()(std::uint32_t text_line) const {
    const auto after =
        std::upper_bound(runs_.begin(), runs_.end(), text_line,
                         [](std::uint32_t line, const auto& run) { return line < run.first; });
    if (after == runs_.begin()) return text_line;
    const auto& run = *std::prev(after);
    return run.second + (text_line - run.first);
}

void YamlText::append(std::string_view line, std::uint32_t file_line) {
    ++line_count;
    if (line_count == 1 || file_line != last_file_line_ + 1) lines.add(line_count, file_line);
    last_file_line_ = file_line;
    text += line;
    text += '\n';
}

std::size_t indent_of(std::string_view line) {
    return std::min(line.find_first_not_of(' '), line.size());
}

bool is_blank_or_comment(std::string_view line) {
    const auto at = std::find_if_not(line.begin(), line.end(), is_blank);
    return at == line.end() || *at == '#';
}

bool is_document_start(std::string_view line) {
    return is_separator(line, "---");
}
bool is_document_end(std::string_view line) {
    return is_separator(line, "...");
}

bool is_empty_outside_documents(std::string_view line) {
    if (is_document_start(line) || is_document_end(line))
        return is_blank_or_comment(line.substr(3));
    return is_blank_or_comment(line) || line.starts_with('%');
}

bool starts_with_dash(std::string_view content) {
    return content.starts_with('-') && (content.size() == 1 || is_blank(content[1]));
}

bool is_bare_key(std::string_view line, std::string_view key) {
    if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ':') {
        return false;
    }
    const std::string_view rest = line.substr(key.size() + 1);
    return rest.empty() || (is_blank(rest[0]) && is_blank_or_comment(rest));
}

bool may_have_anchors(std::string_view text) {
    constexpr std::string_view kBefore = " \t\n[{,:-";
    constexpr std::string_view kBlank = " \t\n";
    const auto marks = [](char c) { return c == '&' || c == '*'; };
    for (auto it = std::find_if(text.begin(), text.end(), marks); it != text.end();
         it = std::find_if(it + 1, text.end(), marks)) {
        const bool starts = it == text.begin() || kBefore.find(*(it - 1)) != std::string_view::npos;
        const bool names = it + 1 != text.end() && kBlank.find(it[1]) == std::string_view::npos &&
                           // "a && b" in a command is common and no anchor.
                           (it[0] != '&' || it[1] != '&');
        if (starts && names) return true;
    }
    return false;
}

YamlText pruned(const YamlText& text) {
    YamlText kept;
    kept.text.reserve(text.text.size());
    PathTracker tracker(is_pod(text.text), text.text.find(kExtraAddresses) != std::string::npos);
    bool dropping = false;
    std::size_t drop_column = 0;
    std::uint32_t number = 0;
    for (std::string_view rest = text.text; !rest.empty();) {
        const std::string_view line = take_line(rest);
        ++number;
        std::size_t column = indent_of(line);
        std::string_view content = line.substr(column);
        if (dropping) {
            const bool below = content.empty() || column > drop_column ||
                               (column == drop_column && starts_with_dash(content));
            if (below) continue;
            dropping = false;
        }
        if (is_blank_or_comment(content)) {
            kept.append(line, text.lines(number));
            continue;
        }
        const std::size_t first_column = column;
        enter_dashes(content, column, tracker);
        const Verdict verdict = tracker.judge(content, column);
        // A dash must stay: it is an element, whatever becomes of its first key.
        if (verdict != Verdict::drop || column != first_column) {
            kept.append(line, text.lines(number));
        }
        dropping = verdict == Verdict::drop ||
                   (verdict == Verdict::drop_below && is_bare_key(content, plain_key(content)));
        drop_column = column;
    }
    return kept;
}

}  // namespace podfence
