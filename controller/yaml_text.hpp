#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// YAML as lines: what can be known of a block-style document without parsing it. kubectl's output
/// is cut and thinned out here, because most of it
/// does not matter and cutting lines is many times faster than parsing them.
namespace podfence {

/// Which line of the file a line of a cut-out text was. Lines count from 1.
class LineMap {
  public:
    /// Says that `text_line` and those after it are `file_line` and those after it.
    void add(std::uint32_t text_line, std::uint32_t file_line);
    std::uint32_t operator()(std::uint32_t text_line) const;
    void clear() { runs_.clear(); }

  private:
    std::vector<std::pair<std::uint32_t, std::uint32_t>> runs_{};
};

/// A piece of a YAML file that is parsed on its own.
struct YamlText {
    std::string text{};  ///< Whole lines, each with its '\n'.
    std::uint32_t line_count = 0;
    LineMap lines{};

    void append(std::string_view line, std::uint32_t file_line);
    void clear() { *this = {}; }

  private:
    std::uint32_t last_file_line_ = 0;
};

std::size_t indent_of(std::string_view line);
bool is_blank_or_comment(std::string_view line);
/// A separator: "---" or "..." at the start of the line, alone or followed by a blank.
bool is_document_start(std::string_view line);
bool is_document_end(std::string_view line);
/// Nothing but a separator, its comment, a directive, a comment or blanks: no content.
bool is_empty_outside_documents(std::string_view line);
/// A list entry's dash: "-" followed by a blank or the end.
bool starts_with_dash(std::string_view content);
/// "key:" and nothing behind it but blanks and a comment.
bool is_bare_key(std::string_view line, std::string_view key);

/// Might there be an anchor or an alias? True for some texts without; never false for an alias.
bool may_have_anchors(std::string_view text);

/// Without the lines below irrelevant fields (is_irrelevant) of the one object in the text, which
/// may be the entry of a list. The fields' own lines stay, so that they are still seen to be there;
/// of a Pod, whose unknown fields never matter, they go as well. Follows indentation only: text
/// that is YAML but not laid out in lines may come out broken, and is then to be read as it was.
YamlText pruned(const YamlText& text);

}  // namespace podfence
