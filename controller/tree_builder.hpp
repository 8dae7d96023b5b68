#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/limits.hpp"
#include "controller/node.hpp"
#include "controller/relevance.hpp"

namespace podfence {

/// What a YAML document remembers between the items of its list: anchored values by name. Bounded
/// by limits::kAnchors and kAliasNodes.
struct Anchors {
    struct Value {
        Node node{};
        std::size_t nodes = 0;
        std::size_t bytes = 0;  ///< Of all texts.
        std::size_t height = 0;
    };
    std::map<std::string, Value, std::less<>> values{};
    std::size_t stored_nodes = 0;
    std::size_t stored_bytes = 0;
    std::size_t expanded_nodes = 0;
};

/// Builds Nodes from a parser's events, within limits. The elements of a root list, and those of
/// the root map's `items` list, go to `on_item` as soon as they are complete and are not kept, so
/// that a list of any length costs one item. Every event gives false on failure: see error(); no
/// further events may follow.
class TreeBuilder {
  public:
    using OnItem = std::function<void(Node)>;
    /// The root map as it is when its items begin.
    using OnHead = std::function<void(const Node&)>;

    struct Options {
        OnHead on_head{};
        /// Of the root and of each item: what is irrelevant there is dropped but for its key, what
        /// is unread with it.
        /// Not owned; nullptr: nothing is.
        const Field* fields = &Field::of_object();
        /// 0: an object beyond a limit is an error. Otherwise the fields that begin inside this
        /// many open maps and lists are counted each on its own, and one beyond a limit loses the
        /// rest of itself, so that what is behind it is still read: see cut().
        std::size_t fields_at = 0;
        Anchors* anchors = nullptr;  ///< Not owned; nullptr: the format has none.
    };
    TreeBuilder(OnItem on_item, Options options);

    /// A scalar, or the key of the next member when a map waits for one. `anchor` names it.
    bool scalar(std::uint32_t line, Node::Kind kind, std::string_view text,
                std::string_view anchor = {}) {
        return skipping() || take_scalar(line, kind, text, anchor);
    }
    /// The unquoted key "<<": the next value's members are merged into the map.
    bool merge_key(std::uint32_t line);
    bool begin(std::uint32_t line, Node::Kind kind, std::string_view anchor = {}) {
        if (!skipping() || stack_.size() + skipped_depth_ >= limits::kDepth) {
            return take_begin(line, kind, anchor);
        }
        ++skipped_depth_;
        return true;
    }
    bool end() {
        if (skipped_depth_ == 0) return take_end();
        --skipped_depth_;
        return true;
    }
    /// The value of an earlier anchor of this document.
    bool alias(std::uint32_t line, std::string_view anchor);

    bool wants_key() const;
    /// The next scalars and the ends of what begins are counted, and nothing else.
    bool skipping() const { return skipped_depth_ > 0 || cutting_; }
    /// For the next document: as new.
    void reset();
    /// The path where a part of the current object was lost to a limit; empty: nowhere.
    const std::string& cut() const { return cut_; }
    const std::string& error() const { return error_; }
    std::uint32_t error_line() const { return error_line_; }
    /// The root, without items; null when nothing was built.
    Node take_root() { return std::move(root_); }

  private:
    struct Frame {
        Node node{};
        std::string anchor{};
        std::string key{};
        std::uint32_t key_line = 0;
        const Field* field = nullptr;      ///< Of the map or list; nullptr: all of it matters.
        const Field* key_field = nullptr;  ///< Of the member whose key is there.
        bool has_key = false;
        bool merging = false;
        bool yields_items = false;
        std::vector<Node> merged{};
    };

    bool fail(std::uint32_t line, std::string message);
    bool pass_limit(std::uint32_t line);
    bool count(std::uint32_t line, std::size_t nodes, std::size_t bytes) {
        nodes_ += nodes;
        bytes_ += bytes;
        const bool fine = nodes_ <= limits::kObjectNodes && bytes_ <= limits::kObjectBytes;
        return fine || pass_limit(line);
    }
    bool take_scalar(std::uint32_t line, Node::Kind kind, std::string_view text,
                     std::string_view anchor);
    bool take_begin(std::uint32_t line, Node::Kind kind, std::string_view anchor);
    bool take_end();
    bool take_key(std::uint32_t line, Node::Kind kind, std::string_view text);
    bool cut_field();
    bool drop();
    bool attach(Node&& node);
    bool merge(Frame& frame, Node node);
    bool remember(const std::string& anchor, const Node& node);
    void start_item_if_due();
    const Field* field_of_next() const;
    std::string path() const;

    OnItem on_item_;
    Options options_;
    std::vector<Frame> stack_{};
    std::set<std::string, std::less<>> open_anchors_{};
    std::size_t skipped_depth_ = 0;
    bool cutting_ = false;  ///< Until the field ends; what begins meanwhile is skipped.
    std::string cut_{};
    std::size_t nodes_ = 0;
    std::size_t bytes_ = 0;
    Node root_{};
    std::string error_{};
    std::uint32_t error_line_ = 0;
};

}  // namespace podfence
