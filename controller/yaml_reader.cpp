#include "controller/yaml_reader.hpp"

#include <istream>
#include <streambuf>
#include <utility>
#include <vector>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "controller/limits.hpp"

namespace podfence {

namespace {

/// Reads from memory without a copy.
class ViewBuffer : public std::streambuf {
  public:
    explicit ViewBuffer(std::string& text) {
        setg(text.data(), text.data(), text.data() + text.size());
    }
};

/// Leaves yaml-cpp's parser; caught in parse_yaml.
struct Stopped {};

/// Values an anchor of an earlier entry stands for, defined again in front of the text: yaml-cpp
/// resolves names itself and refuses those it has not seen. Their events are passed over.
struct Prelude {
    std::string text;
    std::size_t entries = 0;
};

class Events : public YAML::EventHandler {
  public:
    Events(TreeBuilder& builder, const LineMap& lines, const Prelude& prelude)
        : builder_(builder), lines_(lines), prelude_(prelude) {}

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (std::exchange(started_, true)) {
            fail(mark, "no YAML: text behind the end of the document");
        }
    }
    void OnDocumentEnd() override {}

    void OnAnchor(const YAML::Mark& /*mark*/, const std::string& name) override {
        names_.push_back(name);
    }

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        scalar(mark, Node::Kind::null, {}, anchor);
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        check(builder_.alias(line(mark), name(anchor)));
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        if (tag == "?" && value == "<<" && builder_.wants_key()) {
            check(builder_.merge_key(line(mark)));
            return;
        }
        const Node::Kind kind = kind_of(tag, value);
        scalar(mark, kind, kind == Node::Kind::null ? std::string() : value, anchor);
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value /*style*/) override {
        // The prelude's entries stand in front of the text's only one, in the same list.
        check(builder_.begin(line(mark), Node::Kind::list, name(anchor)));
    }
    void OnSequenceEnd() override { check(builder_.end()); }

    void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value /*style*/) override {
        check(builder_.begin(line(mark), Node::Kind::map, name(anchor)));
    }
    void OnMapEnd() override { check(builder_.end()); }

    const std::string& message() const { return message_; }
    std::uint32_t failed_line() const { return failed_line_; }
    /// Whether the parser gave a document at all.
    bool started() const { return started_; }

  private:
    static Node::Kind kind_of(const std::string& tag, const std::string& value) {
        if (tag == "?") return kind_of_plain(value);
        constexpr std::string_view kCore = "tag:yaml.org,2002:";
        if (!tag.starts_with(kCore)) return Node::Kind::string;
        const std::string_view type = std::string_view(tag).substr(kCore.size());
        if (type == "int") return Node::Kind::integer;
        if (type == "bool") return Node::Kind::boolean;
        if (type == "float") return Node::Kind::real;
        if (type == "null") return Node::Kind::null;
        return Node::Kind::string;
    }

    void scalar(const YAML::Mark& mark, Node::Kind kind, std::string value, YAML::anchor_t anchor) {
        if (preluding_ < prelude_.entries) {
            ++preluding_;
            return;
        }
        check(builder_.scalar(line(mark), kind, std::move(value), name(anchor)));
    }

    std::uint32_t line(const YAML::Mark& mark) const {
        const auto text_line = static_cast<std::uint32_t>(mark.line + 1);
        return lines_(text_line - static_cast<std::uint32_t>(prelude_.entries));
    }

    /// yaml-cpp numbers anchors from 1 in order of appearance, as OnAnchor reports them.
    std::string_view name(YAML::anchor_t anchor) const {
        return anchor == 0 || anchor > names_.size() ? std::string_view() : names_[anchor - 1];
    }

    void check(bool fine) {
        if (!fine) throw Stopped{};
    }
    void fail(const YAML::Mark& mark, std::string message) {
        message_ = std::move(message);
        failed_line_ = line(mark);
        throw Stopped{};
    }

    TreeBuilder& builder_;
    const LineMap& lines_;
    const Prelude& prelude_;
    std::vector<std::string> names_{};
    std::size_t preluding_ = 0;
    bool started_ = false;
    std::string message_{};
    std::uint32_t failed_line_ = 0;
};

Prelude make_prelude(const YamlText& text, const Anchors& anchors) {
    Prelude prelude;
    const std::size_t column = indent_of(text.text);
    // A document of its own starts without anchors; only entries of a list come later.
    if (anchors.values.empty() || text.text.substr(column, 1) != "-") return prelude;
    for (const auto& [name, value] : anchors.values) {
        prelude.text.append(column, ' ').append("- &").append(name).append(" 0\n");
        ++prelude.entries;
    }
    return prelude;
}

/// One run of the parser.
std::optional<ParseFailure> run(YamlText source, const Prelude& prelude,
                                TreeBuilder::Options options, const TreeBuilder::OnItem& on_item,
                                Node& root) {
    source.text.insert(0, prelude.text);
    TreeBuilder builder(on_item, std::move(options));
    Events events(builder, source.lines, prelude);
    try {
        ViewBuffer buffer(source.text);
        std::istream stream(&buffer);
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(events)) {}
    } catch (const Stopped&) {
        if (!events.message().empty()) return ParseFailure{events.message(), events.failed_line()};
        return ParseFailure{builder.error(), builder.error_line()};
    } catch (const YAML::Exception& e) {
        const auto text_line = static_cast<std::uint32_t>(e.mark.line + 1);
        const auto before = static_cast<std::uint32_t>(prelude.entries);
        return ParseFailure{"no YAML: " + e.msg,
                            source.lines(text_line > before ? text_line - before : 1)};
    }
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
        options.drop_irrelevant = false;
        return run(text, make_prelude(text, anchors), std::move(options), on_item, root);
    }
    // Items are held back until it is clear that thinning out has broken nothing.
    std::vector<Node> items;
    const auto hold = [&](Node item) { items.push_back(std::move(item)); };
    if (!run(pruned(text), {}, options, hold, root)) {
        for (Node& item : items) on_item(std::move(item));
        return std::nullopt;
    }
    return run(text, {}, std::move(options), on_item, root);
}

}  // namespace podfence
