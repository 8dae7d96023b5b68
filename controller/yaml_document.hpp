#pragma once

#include <cstdint>
#include <string_view>

#include "controller/object_loader.hpp"
#include "controller/yaml_reader.hpp"

namespace podfence {

/// One YAML document, line by line. When it is a list in block style, as kubectl prints it, every
/// item is parsed as soon as its last line has come: memory holds one item, and an item that is no
/// YAML costs that item alone.
class YamlDocument {
  public:
    explicit YamlDocument(ObjectLoader& loader) : loader_(loader) {}

    /// The line without its end.
    void line(std::string_view text, std::uint32_t number);
    /// The document is complete; afterwards the next one may start.
    void finish();
    /// Nothing was read since the last finish().
    bool empty() const { return !started_; }

  private:
    enum class State : std::uint8_t { before_items, at_items, in_items, after_items };

    /// Text up to a limit, and what of it makes it unreadable.
    struct Piece {
        YamlText text{};
        bool too_long = false;
        std::uint32_t bad_line = 0;  ///< The first with a control character; 0: none.
        char bad_character = 0;
        std::uint32_t first_line = 0;
    };

    void add(Piece& piece, std::string_view text, std::uint32_t number);
    bool continues_item(std::string_view text) const;
    void start_items(std::size_t column);
    void finish_item();
    /// False when the piece was reported as unreadable.
    bool parse(Piece& piece, Node& root);

    ObjectLoader& loader_;
    Anchors anchors_{};
    State state_ = State::before_items;
    bool started_ = false;
    Piece head_{};
    Piece item_{};
    std::size_t item_column_ = 0;
};

}  // namespace podfence
