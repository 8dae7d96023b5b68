#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "controller/tree_builder.hpp"
#include "controller/yaml_text.hpp"

namespace podfence {

/// Why a text is no YAML, or is beyond a limit.
struct ParseFailure {
    std::string message;
    std::uint32_t line = 0;  ///< In the file.
};

/// Parses one YAML document or one entry of a document's list. Elements of a root list and of the
/// root's `items` go to `on_item` after `on_head`, the rest to `root`. `anchors` are those of the
/// document so far; new ones are added. No exception leaves.
std::optional<ParseFailure> parse_yaml(const YamlText& text, Anchors& anchors,
                                       const TreeBuilder::OnHead& on_head,
                                       const TreeBuilder::OnItem& on_item, Node& root);

}  // namespace podfence
