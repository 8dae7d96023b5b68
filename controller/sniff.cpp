#include "controller/sniff.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "controller/json_sniffer.hpp"
#include "controller/limits.hpp"
#include "controller/validate.hpp"

namespace podfence {

namespace {

struct Line {
    std::string text;  ///< Without quotes, which are all the difference between YAML's spellings.
    std::size_t column;
    std::uint32_t file_line;
};

/// Whether a line may hold more than the end of what stands above it.
bool tells(std::string_view line) {
    constexpr std::array<std::string_view, 7> kWords = {
        "kind", "apiVersion", "metadata", "name", "items", "podSelector", "policyTypes"};
    return std::any_of(kWords.begin(), kWords.end(), [&](std::string_view word) {
        return line.find(word) != std::string_view::npos;
    });
}

/// Of lines in a row that tell nothing, those that begin further left than the ones before suffice.
std::vector<Line> split(const YamlText& text) {
    std::vector<Line> lines;
    std::size_t dull_column = std::numeric_limits<std::size_t>::max();
    std::uint32_t number = 0;
    for (std::string_view rest = text.text; !rest.empty();) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        ++number;
        if (is_document_start(line)) line.remove_prefix(3);
        if (is_blank_or_comment(line)) continue;
        std::size_t column = indent_of(line);
        while (starts_with_dash(line.substr(column))) {
            const std::size_t next = line.find_first_not_of(' ', column + 1);
            column = std::min(next, line.size());
        }
        if (tells(line)) {
            dull_column = std::numeric_limits<std::size_t>::max();
        } else if (std::exchange(dull_column, std::min(column, dull_column)) <= column) {
            continue;
        }
        Line out{.text = std::string(line.substr(column)),
                 .column = column,
                 .file_line = text.lines(number)};
        std::erase_if(out.text, [](char c) { return c == '"' || c == '\''; });
        lines.push_back(std::move(out));
    }
    return lines;
}

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '/';
}

/// The value behind "key:" in the text; only at its start, or anywhere.
std::optional<std::string> value_of(std::string_view text, std::string_view key, bool anywhere) {
    for (std::size_t at = text.find(key); at != std::string_view::npos;
         at = text.find(key, at + 1)) {
        if (at > 0 && (!anywhere || is_word(text[at - 1]))) continue;
        std::string_view rest = text.substr(at + key.size());
        const auto skip_blanks = [&] {
            rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
        };
        skip_blanks();
        if (!rest.starts_with(':')) continue;
        rest.remove_prefix(1);
        skip_blanks();
        const auto end = std::find_if_not(rest.begin(), rest.end(), is_word);
        return std::string(rest.begin(), end);
    }
    return std::nullopt;
}

class YamlSniffer {
  public:
    explicit YamlSniffer(const YamlText& text)
        : lines_(split(text)),
          anywhere_(!lines_.empty() && (lines_[0].text[0] == '{' || lines_[0].text[0] == '[')) {
        for (const Line& line : lines_) top_ = std::min(top_, line.column);
        // Broken indentation may be the very error: one column more is still the top level.
        ++top_;
        for (const Line& line : lines_) {
            anywhere_ = anywhere_ || (is_top(line) && line.text.starts_with("items"));
        }
    }

    std::vector<SniffedPolicy> find() const {
        std::vector<std::size_t> starts;
        bool group = false;
        bool any_kind = false;
        bool spec = false;
        for (std::size_t i = 0; i < lines_.size(); ++i) {
            const Line& line = lines_[i];
            spec = spec || line.text.find("podSelector") != std::string::npos ||
                   line.text.find("policyTypes") != std::string::npos;
            if (!anywhere_ && !is_top(line)) continue;
            const auto kind = value_of(line.text, "kind", anywhere_);
            any_kind = any_kind || kind.has_value();
            if (kind == kPolicyKind && starts.size() < kMaxSniffed) starts.push_back(i);
            const auto version = value_of(line.text, "apiVersion", anywhere_);
            group = group || (version && version->starts_with("networking.k8s.io/"));
        }
        if (starts.empty() && !any_kind && group && spec) starts.push_back(0);
        std::vector<SniffedPolicy> found;
        for (std::size_t i = 0; i < starts.size(); ++i) {
            const std::size_t end = i + 1 < starts.size() ? starts[i + 1] : lines_.size();
            // The first one's metadata may stand before its kind.
            found.push_back(name(i == 0 ? 0 : starts[i], end, lines_[starts[i]].file_line));
        }
        return found;
    }

  private:
    bool is_top(const Line& line) const { return line.column <= top_; }

    /// Among the lines below the first "metadata:", the outermost name and namespace.
    SniffedPolicy name(std::size_t begin, std::size_t end, std::uint32_t file_line) const {
        SniffedPolicy policy{.line = file_line};
        std::size_t name_column = std::numeric_limits<std::size_t>::max();
        std::size_t ns_column = name_column;
        bool inside = false;
        for (std::size_t i = begin; i < end; ++i) {
            const Line& line = lines_[i];
            if (value_of(line.text, "metadata", anywhere_)) {
                inside = true;
            } else if (inside && !anywhere_ && is_top(line)) {
                break;
            }
            if (!inside) continue;
            // In flow style all keys share a line: take the first there.
            const bool flow = line.text.find('{') != std::string::npos;
            const auto take = [&](std::string_view key, std::string& to, std::size_t& best) {
                const auto value = value_of(line.text, key, flow);
                if (!value || line.column >= best) return;
                to = *value;
                best = line.column;
            };
            take("name", policy.name, name_column);
            take("namespace", policy.ns, ns_column);
        }
        if (!is_dns_subdomain(policy.name)) policy.name.clear();
        if (!is_dns_label(policy.ns)) policy.ns.clear();
        return policy;
    }

    std::vector<Line> lines_;
    std::size_t top_ = std::numeric_limits<std::size_t>::max() - 1;
    bool anywhere_ = false;
};

/// In flow style a line may hold any number of policies, and braces tell where they end.
std::vector<SniffedPolicy> sniff_flow(const YamlText& text) {
    JsonSniffer sniffer;
    std::uint32_t number = 0;
    for (std::string_view rest = text.text; !rest.empty();) {
        const std::size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
        sniffer.feed(rest.substr(0, end), text.lines(++number));
        rest.remove_prefix(end);
    }
    return sniffer.take();
}

/// Whether a brace comes first, but for what JavaScript takes for comments.
bool begins_flow(std::string_view text) {
    while (true) {
        const std::size_t first = text.find_first_not_of(" \t\r\n-");
        if (first == std::string_view::npos) return false;
        text.remove_prefix(first);
        const bool line = text.starts_with("//");
        if (!line && !text.starts_with("/*")) return text[0] == '{' || text[0] == '[';
        const std::size_t end = line ? text.find('\n') : text.find("*/");
        if (end == std::string_view::npos) return false;
        text.remove_prefix(end + (line ? 1 : 2));
    }
}

}  // namespace

std::vector<SniffedPolicy> sniff_yaml(const YamlText& text) {
    if (begins_flow(text.text)) return sniff_flow(text);
    return YamlSniffer(text).find();
}

SniffedPolicy sniff_metadata(const Node& metadata) {
    const std::string_view ns = metadata.string_at("namespace");
    const std::string_view name = metadata.string_at("name");
    return {.ns = std::string(is_dns_label(ns) ? ns : std::string_view()),
            .name = std::string(is_dns_subdomain(name) ? name : std::string_view()),
            .line = metadata.line};
}

}  // namespace podfence
