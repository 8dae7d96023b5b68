#include "controller/yaml_file.hpp"

#include <algorithm>
#include <utility>

#include "controller/kube_config.hpp"
#include "controller/yaml_reader.hpp"

namespace podfence {

namespace {

Trouble input(std::string message, const std::string& remedy) {
    return {.cause = Trouble::Cause::input, .message = std::move(message), .remedy = remedy};
}

}  // namespace

Sourced<Node> read_yaml_file(const std::string& path, std::string_view what,
                             const std::string& remedy) {
    const auto content = read_text({.path = path}, what);
    if (!content) {
        return input(content.error().message, "name a " + std::string(what) + " that can be read");
    }
    YamlText text;
    std::uint32_t number = 0;
    for (std::string_view rest = *content; !rest.empty();) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        text.append(line, ++number);
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    }
    Node root;
    Anchors anchors;
    const auto failure = parse_yaml(
        text, anchors, {}, [](const Node&) {}, root);
    if (failure) {
        return input(
            to_string(SourcePos{.file = path, .line = failure->line}) + ": " + failure->message,
            remedy);
    }
    if (!root.is_map()) {
        return input(path + ": is " + describe(root) + ", no " + std::string(what), remedy);
    }
    return root;
}

}  // namespace podfence
