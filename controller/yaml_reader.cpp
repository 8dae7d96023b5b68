#include "controller/yaml_reader.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <yaml.h>

#include "controller/limits.hpp"
#include "nft/error.hpp"

namespace podfence {

namespace {

std::string_view view(const yaml_char_t* text) {
    return text == nullptr ? std::string_view()
                           : std::string_view(reinterpret_cast<const char*>(text));
}

/// YAML 1.1 has line ends beside '\n': NEL, LS and PS. libyaml counts them; editors do not.
class ForeignBreaks {
  public:
    explicit ForeignBreaks(std::string_view text) {
        if (text.find('\xc2') == text.npos && text.find('\xe2') == text.npos) return;
        std::size_t line = 0;
        for (std::size_t i = 0; i < text.size(); ++i) {
            const std::string_view here = text.substr(i, 3);
            if (here[0] == '\n') {
                ++line;
            } else if (here.starts_with("\xc2\x85") || here == "\xe2\x80\xa8" ||
                       here == "\xe2\x80\xa9") {
                lines_.push_back(line++);
            }
        }
    }

    /// From libyaml's line to that of the text; both count from 0.
    std::size_t own_line(std::size_t line) const {
        return line - static_cast<std::size_t>(
                          std::lower_bound(lines_.begin(), lines_.end(), line) - lines_.begin());
    }

  private:
    std::vector<std::size_t> lines_{};  ///< libyaml's lines that end in one.
};

/// libyaml's event; frees what it holds.
class Event {
  public:
    Event() = default;
    ~Event() { yaml_event_delete(&event_); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    yaml_event_t* get() { return &event_; }
    const yaml_event_t* operator->() const { return &event_; }

  private:
    yaml_event_t event_{};
};

Node::Kind kind_of(std::string_view tag, std::string_view value) {
    constexpr std::string_view kCore = "tag:yaml.org,2002:";
    if (!tag.starts_with(kCore)) return Node::Kind::string;
    const std::string_view type = tag.substr(kCore.size());
    if (type == "int") return Node::Kind::integer;
    if (type == "bool") return Node::Kind::boolean;
    if (type == "float") return Node::Kind::real;
    if (type == "null" || (type.empty() && value.empty())) return Node::Kind::null;
    return Node::Kind::string;
}

/// One run of libyaml over a text.
class Run {
  public:
    Run(const YamlText& source, TreeBuilder& builder)
        : source_(source), breaks_(source.text), builder_(builder) {
        PODFENCE_CHECK(yaml_parser_initialize(&parser_) == 1);  // fails without memory only
        // Otherwise a byte order mark inside of the file would be believed.
        yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&parser_,
                                     reinterpret_cast<const unsigned char*>(source.text.data()),
                                     source.text.size());
    }
    ~Run() { yaml_parser_delete(&parser_); }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    std::optional<ParseFailure> operator()() {
        while (true) {
            Event event;
            if (yaml_parser_parse(&parser_, event.get()) == 0) return no_yaml();
            if (event->type == YAML_STREAM_END_EVENT) return std::nullopt;
            if (event->type == YAML_DOCUMENT_START_EVENT && std::exchange(started_, true)) {
                return ParseFailure{"no YAML: text behind the end of the document",
                                    line(event->start_mark)};
            }
            if (!take(*event.get())) {
                return ParseFailure{
                    builder_.error() + hint(event->start_mark.line, event->end_mark.line, ""),
                    builder_.error_line()};
            }
        }
    }

  private:
    bool take(const yaml_event_t& event) {
        const std::uint32_t at = line(event.start_mark);
        switch (event.type) {
            case YAML_SCALAR_EVENT:
                return scalar(event, at);
            case YAML_ALIAS_EVENT:
                return builder_.alias(at, view(event.data.alias.anchor));
            case YAML_SEQUENCE_START_EVENT:
                return builder_.begin(at, Node::Kind::list, view(event.data.sequence_start.anchor));
            case YAML_MAPPING_START_EVENT:
                return builder_.begin(at, Node::Kind::map, view(event.data.mapping_start.anchor));
            case YAML_SEQUENCE_END_EVENT:
            case YAML_MAPPING_END_EVENT:
                return builder_.end();
            case YAML_NO_EVENT:
            case YAML_STREAM_START_EVENT:
            case YAML_STREAM_END_EVENT:
            case YAML_DOCUMENT_START_EVENT:
            case YAML_DOCUMENT_END_EVENT:
                return true;
        }
        return true;
    }

    bool scalar(const yaml_event_t& event, std::uint32_t at) {
        const auto& data = event.data.scalar;
        const std::string_view value(reinterpret_cast<const char*>(data.value), data.length);
        if (data.plain_implicit != 0 && value == "<<" && builder_.wants_key()) {
            return builder_.merge_key(at);
        }
        Node::Kind kind = Node::Kind::string;
        if (data.plain_implicit != 0) {
            kind = kind_of_plain(value);
        } else if (data.tag != nullptr) {
            kind = kind_of(view(data.tag), value);
        }
        return builder_.scalar(at, kind, kind == Node::Kind::null ? std::string_view() : value,
                               view(data.anchor));
    }

    std::uint32_t line(const yaml_mark_t& mark) const {
        // An error at the end of the text is one of its last line.
        const auto own = static_cast<std::uint32_t>(breaks_.own_line(mark.line)) + 1;
        return source_.lines(std::clamp(own, 1U, std::max(source_.line_count, 1U)));
    }

    ParseFailure no_yaml() const {
        if (parser_.error == YAML_MEMORY_ERROR) return {"no memory is left to parse it", line({})};
        const std::string problem = parser_.problem;
        if (parser_.error == YAML_READER_ERROR) {
            // The reader runs ahead of the parser and knows bytes only.
            const std::string_view before =
                std::string_view(source_.text).substr(0, parser_.problem_offset);
            const auto breaks = std::count(before.begin(), before.end(), '\n');
            return {"no UTF-8 text: " + problem,
                    source_.lines(static_cast<std::uint32_t>(breaks) + 1)};
        }
        const yaml_mark_t& at = parser_.problem_mark;
        if (parser_.context == nullptr) {
            return {"no YAML: " + problem + hint(at.line, at.line, problem), line(at)};
        }
        const yaml_mark_t& from = parser_.context_mark;
        const std::string context = parser_.context;
        std::string message = "no YAML: " + problem + ", " + context;
        // Without its closing quote a text reaches up to the next one or the end.
        if (context.find("quoted") != std::string::npos) return {message, line(from)};
        if (line(from) != line(at)) message += " that begins in line " + std::to_string(line(from));
        return {message + hint(from.line, at.line, problem), line(at)};
    }

    /// What people most often did when such an error comes; the lines are libyaml's.
    std::string hint(std::size_t first, std::size_t last, std::string_view problem) const {
        first = breaks_.own_line(first);
        last = breaks_.own_line(last);
        std::string_view rest = source_.text;
        for (std::size_t i = 0; i <= last && !rest.empty(); ++i) {
            const std::string_view text = rest.substr(0, rest.find('\n'));
            rest.remove_prefix(std::min(text.size() + 1, rest.size()));
            if (i < first) continue;
            if (text.find("{{") != std::string_view::npos) {
                return "; it looks like a template: render it first, as helm template does";
            }
            const std::size_t content = std::min(text.find_first_not_of(" \t"), text.size());
            if (problem.ends_with("cannot start any token") &&
                text.substr(0, content).find('\t') != std::string_view::npos) {
                return "; YAML is indented with spaces, not with tabs";
            }
            if (problem == "did not find expected node content" &&
                text.find(" ::") != std::string_view::npos) {
                return "; inside braces write an address that begins with a colon in quotes";
            }
        }
        return "";
    }

    const YamlText& source_;
    ForeignBreaks breaks_;
    TreeBuilder& builder_;
    yaml_parser_t parser_{};
    bool started_ = false;
};

std::optional<ParseFailure> run(const YamlText& source, TreeBuilder::Options options,
                                const TreeBuilder::OnItem& on_item, Node& root) {
    TreeBuilder builder(on_item, std::move(options));
    if (auto failure = Run(source, builder)()) return failure;
    root = builder.take_root();
    return std::nullopt;
}

}  // namespace

std::optional<ParseFailure> parse_yaml(const YamlText& text, Anchors& anchors,
                                       const TreeBuilder::OnHead& on_head,
                                       const TreeBuilder::OnItem& on_item, Node& root) {
    TreeBuilder::Options options{.on_head = on_head, .anchors = &anchors};
    if (may_have_anchors(text.text)) {
        // An anchor may hide below a field that would be dropped.
        options.fields = nullptr;
        return run(text, std::move(options), on_item, root);
    }
    // Items are held back until it is clear that thinning out has broken nothing.
    std::vector<Node> items;
    const auto hold = [&](Node item) { items.push_back(std::move(item)); };
    if (!run(pruned(text), options, hold, root)) {
        for (Node& item : items) on_item(std::move(item));
        return std::nullopt;
    }
    return run(text, std::move(options), on_item, root);
}

}  // namespace podfence
