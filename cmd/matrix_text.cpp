// The matrix as an aligned table, readable at five pods and at sixty.
#include <algorithm>
#include <array>
#include <numeric>

#include "cmd/matrix.hpp"

namespace podfence::cmd {

namespace {

/// From this many pods on, those that nothing tells apart are shown as one.
constexpr std::size_t kMergeFrom = 13;
/// What is not a terminal gets named columns up to this width, numbered ones beyond.
constexpr std::size_t kNamedColumnsMax = 140;
/// Of a namespace above its columns.
constexpr std::size_t kNamespaceShownMax = 20;

std::string ports_of(const Matrix& matrix, std::size_t pod) {
    if (!matrix.declared) return "";
    std::string text;
    for (const Target& target : matrix.targets[pod]) {
        text += (text.empty() ? "" : ",") + std::to_string(target.port);
    }
    return text;
}

struct Glyph {
    std::string text;
    Tone tone = Tone::plain;
};

Glyph glyph_of(const Output& out, Reach reach) {
    const bool unicode = out.unicode();
    switch (reach) {
        case Reach::all:
            return {unicode ? "✓" : "Y", Tone::good};
        case Reach::some:
            return {unicode ? "◐" : "p", Tone::warn};
        case Reach::none:
            return {unicode ? "✗" : ".", Tone::bad};
        case Reach::nothing:
            return {"?", Tone::dim};
    }
    return {};
}

class Table {
  public:
    Table(Output& out, const Matrix& matrix, std::vector<PodGroup> groups)
        : out_(out), matrix_(matrix), groups_(std::move(groups)) {
        for (const PodGroup& g : groups_) {
            label_width_ = std::max(label_width_, display_width(g.label));
            ports_.push_back(ports_of(matrix, g.members.front()));
            ports_width_ = std::max(ports_width_, display_width(ports_.back()));
        }
        number_width_ = std::max<std::size_t>(2, std::to_string(groups_.size()).size());
        widths_ = named_widths();
        if (full_width() > std::min(out.columns(), kNamedColumnsMax)) {
            named_ = false;
            widths_.assign(groups_.size(), number_width_);
        }
        if (!named_ && out.columns() == Output::kUnlimited) columns_max_ = groups_.size();
    }

    void print() {
        std::size_t first = 0;
        while (first < groups_.size()) {
            const std::size_t last = block_end(first);
            print_block(first, last);
            first = last;
            if (first < groups_.size()) out_.line("");
        }
    }

  private:
    std::size_t margin() const {
        const std::size_t number = named_ ? 0 : number_width_ + 1;
        return 2 + number + label_width_ + (ports_width_ == 0 ? 0 : 2 + ports_width_);
    }

    std::size_t cell_width(std::size_t column) const { return widths_[column]; }

    /// The width of columns headed by names: a namespace's first column is wide enough for both.
    std::vector<std::size_t> named_widths() const {
        std::vector<std::size_t> widths;
        for (const PodGroup& g : groups_) widths.push_back(display_width(g.label));
        for (std::size_t first = 0; first < groups_.size();) {
            std::size_t end = first;
            std::size_t width = 0;
            while (end < groups_.size() && groups_[end].ns == groups_[first].ns) {
                width += widths[end++] + 2;
            }
            const std::size_t wanted = std::min(groups_[first].ns.size(), kNamespaceShownMax) + 2;
            if (wanted > width) widths[first] += wanted - width;
            first = end;
        }
        return widths;
    }

    /// Two spaces before a column; a bar and two more where a namespace begins.
    std::string gap(std::size_t column, std::size_t first) const {
        const bool border = column != first && groups_[column].ns != groups_[column - 1].ns;
        const std::string bar = out_.unicode() ? "│" : "|";
        const std::string space = named_ ? "  " : " ";
        return border ? space + bar + space : space;
    }

    std::size_t full_width() const {
        std::size_t width = margin();
        for (std::size_t column = 0; column < groups_.size(); ++column) {
            width += display_width(gap(column, 0)) + widths_[column];
        }
        return width;
    }

    /// One past the last column that still fits; at least one does.
    std::size_t block_end(std::size_t first) const {
        if (named_ || columns_max_ != 0) return groups_.size();
        std::size_t width = margin();
        std::size_t column = first;
        while (column < groups_.size()) {
            width += display_width(gap(column, first)) + cell_width(column);
            if (width > out_.columns() && column > first) break;
            ++column;
        }
        return column;
    }

    void print_block(std::size_t first, std::size_t last) {
        print_namespaces(first, last);
        std::string head(margin(), ' ');
        for (std::size_t column = first; column < last; ++column) {
            const std::string text = named_ ? groups_[column].label : std::to_string(column + 1);
            head += gap(column, first) +
                    out_.paint(Tone::strong, padded_left(text, cell_width(column)));
        }
        out_.line(head);
        for (std::size_t row = 0; row < groups_.size(); ++row) {
            if (row == 0 || groups_[row].ns != groups_[row - 1].ns) {
                out_.line(out_.paint(Tone::dim, groups_[row].ns));
            }
            print_row(row, first, last);
        }
    }

    /// The namespace above its first column, cut where the next one begins.
    void print_namespaces(std::size_t first, std::size_t last) {
        std::string line = padded("from \\ to", margin());
        for (std::size_t column = first; column < last;) {
            std::size_t end = column;
            std::size_t width = 0;
            while (end < last && groups_[end].ns == groups_[column].ns) {
                width += cell_width(end) + (end == column ? 0 : display_width(gap(end, first)));
                ++end;
            }
            std::string name = groups_[column].ns;
            if (name.size() > width) name.resize(width);
            line += gap(column, first) + out_.paint(Tone::dim, padded(name, width));
            column = end;
        }
        out_.line(line);
    }

    void print_row(std::size_t row, std::size_t first, std::size_t last) {
        std::string line = "  ";
        if (!named_) line += padded_left(std::to_string(row + 1), number_width_) + " ";
        line += out_.paint(Tone::strong, padded(groups_[row].label, label_width_));
        if (ports_width_ != 0) {
            line += "  " + out_.paint(Tone::dim, padded(ports_[row], ports_width_));
        }
        for (std::size_t column = first; column < last; ++column) {
            line += gap(column, first) + cell(row, column);
        }
        out_.line(line);
    }

    std::string cell(std::size_t row, std::size_t column) const {
        const auto& from = groups_[row].members;
        const auto& to = groups_[column].members;
        Glyph glyph{out_.unicode() ? "–" : "-", Tone::dim};
        // Within a group of several the pods' way to each other counts, not that to themselves.
        if (row != column) {
            glyph = glyph_of(out_, matrix_.at(from.front(), to.front()).reach);
        } else if (from.size() > 1) {
            glyph = glyph_of(out_, matrix_.at(from[0], from[1]).reach);
        }
        return std::string(cell_width(column) - 1, ' ') + out_.paint(glyph.tone, glyph.text);
    }

    Output& out_;
    const Matrix& matrix_;
    std::vector<PodGroup> groups_;
    std::vector<std::string> ports_;  ///< By group; empty where all have the same.
    std::size_t label_width_ = 0;
    std::size_t ports_width_ = 0;
    std::size_t number_width_ = 1;
    std::vector<std::size_t> widths_;  ///< Of the columns, by group.
    std::size_t columns_max_ = 0;
    bool named_ = true;
};

void print_legend(Output& out, const Matrix& matrix, bool merged) {
    std::array<std::size_t, 4> counts{};
    for (std::size_t from = 0; from < matrix.size(); ++from) {
        for (std::size_t to = 0; to < matrix.size(); ++to) {
            if (from != to) ++counts[static_cast<std::size_t>(matrix.at(from, to).reach)];
        }
    }
    constexpr std::array<const char*, 4> kNames{"allowed", "some of the ports", "denied",
                                                "no such port or address there"};
    std::string legend;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        if (counts[i] == 0) continue;
        const Glyph glyph = glyph_of(out, static_cast<Reach>(i));
        legend += (legend.empty() ? "" : "   ") + out.paint(glyph.tone, glyph.text) + " " +
                  kNames[i] + " " + with_thousands(counts[i]);
    }
    out.line("");
    out.line(count_of(matrix.size(), "pod") + " " + matrix.subject() + ":   " + legend);
    if (merged) {
        out.line(out.paint(Tone::dim, "(n): n pods that nothing tells apart; --full lists each"));
    }
}

}  // namespace

void print_text(Output& out, const Matrix& matrix, bool full) {
    std::vector<PodGroup> groups = group_pods(matrix, !full && matrix.size() >= kMergeFrom);
    const bool merged = groups.size() < matrix.size();
    Table(out, matrix, std::move(groups)).print();
    print_legend(out, matrix, merged);
}

}  // namespace podfence::cmd
