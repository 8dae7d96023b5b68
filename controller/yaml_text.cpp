#include "controller/yaml_text.hpp"

#include <algorithm>

#include "controller/tree_builder.hpp"

namespace podfence {

namespace {

constexpr std::string_view kBlanks = " \t";

/// Cuts the first line off, without its end.
std::string_view take_line(std::string_view& text) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

bool is_separator(std::string_view line, std::string_view mark) {
    return line.starts_with(mark) &&
           (line.size() == 3 || kBlanks.find(line[3]) != std::string_view::npos);
}

/// Follows the keys of block-style lines by their indentation.
class PathTracker {
  public:
    /// True when what lies below this line is irrelevant and the line is a key at `column`.
    bool drops_below(std::string_view content, std::size_t column);
    /// A dash at `column`: the next element of the list there.
    void enter_element(std::size_t column);

  private:
    struct Level {
        std::size_t column;
        std::size_t path_size;
        bool element;
    };
    void leave(std::size_t column, bool for_element);

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
    // The text may be the element of a list that was cut: the object starts here.
    if (!levels_.empty()) path_ += "[]";
    levels_.push_back({.column = column, .path_size = path_.size(), .element = true});
}

bool PathTracker::drops_below(std::string_view content, std::size_t column) {
    const std::size_t colon = content.find(':');
    if (colon == std::string_view::npos) return false;
    leave(column, false);
    const std::string_view key = content.substr(0, colon);
    if (!path_.empty()) path_ += '.';
    // Below a key with a value there is no structure to follow: no path with this mark is known.
    path_ += is_bare_key(content, key) ? key : std::string_view("\x01");
    levels_.push_back({.column = column, .path_size = path_.size(), .element = false});
    return is_irrelevant(path_);
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
    const std::size_t at = line.find_first_not_of(kBlanks);
    return at == std::string_view::npos || line[at] == '#';
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
    return content.starts_with('-') &&
           (content.size() == 1 || kBlanks.find(content[1]) != std::string_view::npos);
}

bool is_bare_key(std::string_view line, std::string_view key) {
    if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ':') {
        return false;
    }
    const std::string_view rest = line.substr(key.size() + 1);
    return rest.empty() ||
           (kBlanks.find(rest[0]) != std::string_view::npos && is_blank_or_comment(rest));
}

bool may_have_anchors(std::string_view text) {
    constexpr std::string_view kBefore = " \t\n[{,:-";
    constexpr std::string_view kBlank = " \t\n";
    for (std::size_t at = text.find_first_of("&*"); at != std::string_view::npos;
         at = text.find_first_of("&*", at + 1)) {
        const bool starts = at == 0 || kBefore.find(text[at - 1]) != std::string_view::npos;
        const bool names = at + 1 < text.size() &&
                           kBlank.find(text[at + 1]) == std::string_view::npos &&
                           // "a && b" in a command is common and no anchor.
                           !(text[at] == '&' && text[at + 1] == '&');
        if (starts && names) return true;
    }
    return false;
}

YamlText pruned(const YamlText& text) {
    YamlText kept;
    kept.text.reserve(text.text.size());
    PathTracker tracker;
    bool dropping = false;
    std::size_t drop_column = 0;
    std::uint32_t number = 0;
    for (std::string_view rest = text.text; !rest.empty();) {
        const std::string_view line = take_line(rest);
        ++number;
        std::size_t column = indent_of(line);
        std::string_view content = line.substr(column);
        const bool blank = content.empty();
        if (dropping) {
            if (blank || column > drop_column ||
                (column == drop_column && starts_with_dash(content))) {
                continue;
            }
            dropping = false;
        }
        kept.append(line, text.lines(number));
        if (is_blank_or_comment(content)) continue;
        while (starts_with_dash(content)) {
            tracker.enter_element(column);
            const std::size_t skip = std::min(content.find_first_not_of(' ', 1), content.size());
            column += skip;
            content.remove_prefix(skip);
        }
        if (tracker.drops_below(content, column)) {
            dropping = true;
            drop_column = column;
        }
    }
    return kept;
}

}  // namespace podfence
