#include "controller/tree_builder.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "controller/limits.hpp"
#include "nft/error.hpp"

namespace podfence {

namespace {

constexpr std::size_t kFewMembers = 16;
constexpr std::size_t kMergedMembers = 1'000;

/// Adds what the subtree holds; its height is `above` and what lies below.
void measure(const Node& node, Anchors::Value& total, std::size_t above) {
    ++total.nodes;
    total.bytes += node.key.size() + node.text.size();
    total.height = std::max(total.height, above + 1);
    for (const Node& child : node.children) measure(child, total, above + 1);
}

bool is_irrelevant(const Field* field) {
    return field != nullptr && field->irrelevant();
}

bool is_unread(const Field* field) {
    return field != nullptr && field->unread();
}

bool repeats_key(const std::vector<Node>& members) {
    if (members.size() <= kFewMembers) {
        for (std::size_t i = 1; i < members.size(); ++i) {
            for (std::size_t j = 0; j < i; ++j) {
                if (members[i].key == members[j].key) return true;
            }
        }
        return false;
    }
    std::vector<std::string_view> keys;
    keys.reserve(members.size());
    for (const Node& member : members) keys.push_back(member.key);
    std::sort(keys.begin(), keys.end());
    return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
}

}  // namespace

TreeBuilder::TreeBuilder(OnItem on_item, Options options)
    : on_item_(std::move(on_item)), options_(std::move(options)) {}

bool TreeBuilder::fail(std::uint32_t line, std::string message) {
    error_ = std::move(message);
    error_line_ = line;
    return false;
}

/// Says which one; always false.
bool TreeBuilder::pass_limit(std::uint32_t line) {
    if (nodes_ > limits::kObjectNodes) {
        return fail(
            line, "one object with more than " + std::to_string(limits::kObjectNodes) + " values");
    }
    return fail(line,
                "one object larger than " + std::to_string(limits::kObjectBytes >> 20) + " MiB");
}

bool TreeBuilder::wants_key() const {
    return skipped_depth_ == 0 && !stack_.empty() && stack_.back().node.is_map() &&
           !stack_.back().has_key;
}

/// Keys are strings in the API; YAML's other scalars become what kubectl makes of them.
bool TreeBuilder::take_key(std::uint32_t line, Node::Kind kind, std::string_view text) {
    Frame& frame = stack_.back();
    frame.key = text;
    switch (kind) {
        case Node::Kind::null:
            frame.key = "null";
            break;
        case Node::Kind::boolean:
            frame.key = parse_boolean(text).value_or(false) ? "true" : "false";
            break;
        case Node::Kind::integer:
            if (const auto value = parse_integer(text)) frame.key = std::to_string(*value);
            break;
        case Node::Kind::real:
        case Node::Kind::string:
            break;
        case Node::Kind::list:
        case Node::Kind::map:
            return fail(line, "a key that is " + describe({.kind = kind}) + "; keys are strings");
    }
    frame.key_line = line;
    frame.has_key = true;
    frame.key_field = frame.field == nullptr ? nullptr : frame.field->find(frame.key);
    return true;
}

/// Of the value that comes next.
const Field* TreeBuilder::field_of_next() const {
    if (stack_.empty()) return options_.fields;
    const Frame& frame = stack_.back();
    return frame.node.is_map() ? frame.key_field : frame.field;
}

/// Where the value that comes next is, from its item or the root on.
std::string TreeBuilder::path() const {
    std::string path;
    for (const Frame& frame : stack_) {
        if (frame.yields_items) {
            path.clear();
        } else if (frame.node.is_list()) {
            path += "[]";
        } else if (frame.has_key) {
            path += (path.empty() ? "" : ".") + frame.key;
        }
    }
    return path;
}

void TreeBuilder::reset() {
    stack_.clear();
    open_anchors_.clear();
    skipped_depth_ = nodes_ = bytes_ = 0;
    cutting_ = false;
    cut_.clear();
    root_ = {};
    error_.clear();
    error_line_ = 0;
}

void TreeBuilder::start_item_if_due() {
    if (!stack_.empty() && stack_.back().yields_items) {
        nodes_ = bytes_ = 0;
        cut_.clear();
    }
    if (options_.fields_at != 0 && stack_.size() == options_.fields_at) nodes_ = bytes_ = 0;
}

/// Behind a limit that was passed: true when only the rest of a field is lost.
bool TreeBuilder::cut_field() {
    if (options_.fields_at == 0 || stack_.size() <= options_.fields_at) return false;
    cutting_ = true;
    cut_ = path();
    error_.clear();
    return true;
}

bool TreeBuilder::take_scalar(std::uint32_t line, Node::Kind kind, std::string_view text,
                              std::string_view anchor) {
    start_item_if_due();
    if (!count(line, 1, text.size())) return cut_field();
    const bool key = wants_key();
    if (key && anchor.empty()) return take_key(line, kind, text);
    const Field* field = key ? nullptr : field_of_next();
    if (is_unread(field)) return drop();
    if (is_irrelevant(field)) return attach({.line = line});
    Node node{.text = std::string(text), .line = line, .kind = kind};
    if (!anchor.empty() && !remember(std::string(anchor), node)) return false;
    return key ? take_key(line, kind, text) : attach(std::move(node));
}

bool TreeBuilder::merge_key(std::uint32_t line) {
    if (skipped_depth_ > 0) return true;
    if (!take_key(line, Node::Kind::string, "<<")) return false;
    stack_.back().merging = true;
    return true;
}

bool TreeBuilder::take_begin(std::uint32_t line, Node::Kind kind, std::string_view anchor) {
    if (stack_.size() + skipped_depth_ >= limits::kDepth) {
        return fail(line, "nesting deeper than " + std::to_string(limits::kDepth) + " levels");
    }
    if (skipping()) {
        ++skipped_depth_;
        return true;
    }
    start_item_if_due();
    if (!count(line, 1, 0)) {
        skipped_depth_ = 1;
        return cut_field();
    }
    if (wants_key()) return take_key(line, kind, {});
    const Field* field = field_of_next();
    if (is_irrelevant(field)) {
        skipped_depth_ = 1;
        return is_unread(field) ? drop() : attach({.line = line});
    }
    const bool yields_items = kind == Node::Kind::list &&
                              (stack_.empty() || (stack_.size() == 1 && stack_[0].node.is_map() &&
                                                  stack_[0].key == "items"));
    if (yields_items && !stack_.empty() && options_.on_head) options_.on_head(stack_[0].node);
    Frame& frame = stack_.emplace_back();
    frame.node.line = line;
    frame.node.kind = kind;
    frame.anchor = anchor;
    frame.yields_items = yields_items;
    frame.field = yields_items                         ? options_.fields
                  : kind != Node::Kind::list || !field ? field
                                                       : field->find("[]");
    if (!frame.anchor.empty()) open_anchors_.insert(frame.anchor);
    return true;
}

bool TreeBuilder::take_end() {
    PODFENCE_CHECK(!stack_.empty());
    Frame& frame = stack_.back();
    if (cutting_ && stack_.size() == options_.fields_at + 1) cutting_ = false;
    for (Node& member : frame.merged) {
        if (frame.node.find(member.key) == nullptr) {
            frame.node.children.push_back(std::move(member));
        }
    }
    if (frame.node.is_map()) frame.node.repeated_key = repeats_key(frame.node.children);
    if (!frame.anchor.empty()) {
        open_anchors_.erase(frame.anchor);
        if (!remember(frame.anchor, frame.node)) return false;
    }
    Node node = std::move(frame.node);
    stack_.pop_back();
    return attach(std::move(node));
}

/// What was to come next is as if it had not been written.
bool TreeBuilder::drop() {
    stack_.back().has_key = false;
    return true;
}

bool TreeBuilder::attach(Node&& node) {
    if (stack_.empty()) {
        root_ = std::move(node);
        return true;
    }
    Frame& parent = stack_.back();
    if (parent.yields_items) {
        on_item_(std::move(node));
        return true;
    }
    if (parent.node.is_map()) {
        parent.has_key = false;
        if (std::exchange(parent.merging, false)) return merge(parent, std::move(node));
        node.key = std::exchange(parent.key, {});
        node.line = parent.key_line;
    }
    parent.node.children.push_back(std::move(node));
    return true;
}

/// YAML 1.1's merge: a map, or a list of maps of which the earlier win; the map's own keys win.
bool TreeBuilder::merge(Frame& frame, Node node) {
    const auto take = [&](Node& map) {
        for (Node& member : map.children) {
            const bool known =
                std::any_of(frame.merged.begin(), frame.merged.end(),
                            [&](const Node& other) { return other.key == member.key; });
            if (!known) frame.merged.push_back(std::move(member));
        }
    };
    const bool maps = node.is_list() && std::all_of(node.children.begin(), node.children.end(),
                                                    [](const Node& n) { return n.is_map(); });
    if (!node.is_map() && !maps) {
        return fail(node.line, "the merge key << with " + describe(node) + "; it takes maps");
    }
    if (node.is_map()) {
        take(node);
    } else {
        std::for_each(node.children.begin(), node.children.end(), take);
    }
    if (frame.merged.size() > kMergedMembers) {
        return fail(node.line, "the merge key << with more than " + std::to_string(kMergedMembers) +
                                   " members");
    }
    return true;
}

bool TreeBuilder::remember(const std::string& anchor, const Node& node) {
    PODFENCE_CHECK(options_.anchors != nullptr);
    Anchors& anchors = *options_.anchors;
    Anchors::Value value;
    measure(node, value, 0);
    anchors.stored_nodes += value.nodes;
    anchors.stored_bytes += value.bytes;
    if (anchors.values.size() >= limits::kAnchors || anchors.stored_nodes > limits::kAliasNodes ||
        anchors.stored_bytes > limits::kObjectBytes) {
        return fail(node.line, "too many or too large YAML anchors in one document");
    }
    value.node = node;
    anchors.values.insert_or_assign(anchor, std::move(value));
    return true;
}

bool TreeBuilder::alias(std::uint32_t line, std::string_view anchor) {
    if (skipped_depth_ > 0) return true;
    start_item_if_due();
    PODFENCE_CHECK(options_.anchors != nullptr);
    Anchors& anchors = *options_.anchors;
    const auto found = anchors.values.find(anchor);
    if (open_anchors_.contains(anchor)) {
        return fail(line, "the YAML alias *" + std::string(anchor) + " inside its own anchor");
    }
    if (found == anchors.values.end()) {
        return fail(line,
                    "the YAML alias *" + std::string(anchor) + " without an anchor before it");
    }
    const Anchors::Value& value = found->second;
    anchors.expanded_nodes += value.nodes;
    if (anchors.expanded_nodes > limits::kAliasNodes ||
        stack_.size() + value.height > limits::kDepth) {
        return fail(line, "YAML aliases that expand to more than " +
                              std::to_string(limits::kAliasNodes) + " values or nest too deep");
    }
    if (!count(line, value.nodes, value.bytes)) return false;
    Node copy = value.node;
    if (wants_key()) return take_key(line, copy.kind, copy.text);
    return attach(std::move(copy));
}

}  // namespace podfence
