#include "controller/report.hpp"

#include <algorithm>

namespace podfence {

namespace {

std::string_view name_of(Node::Kind kind) {
    switch (kind) {
        case Node::Kind::null:
            return "null";
        case Node::Kind::boolean:
            return "a boolean";
        case Node::Kind::integer:
        case Node::Kind::real:
            return "a number";
        case Node::Kind::string:
            return "a string";
        case Node::Kind::list:
            return "a list";
        case Node::Kind::map:
            return "a map";
    }
    return "a value";
}

/// Field names differ from the known ones by case only more often than in any other way.
std::string did_you_mean(std::string_view key, std::initializer_list<std::string_view> known) {
    const auto same = [](char a, char b) {
        const auto lower = [](char c) {
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
        };
        return lower(a) == lower(b);
    };
    for (const std::string_view candidate : known) {
        const bool equal =
            std::equal(key.begin(), key.end(), candidate.begin(), candidate.end(), same);
        const bool plural = key.size() + 1 == candidate.size() && candidate.starts_with(key);
        const bool singular = key.size() == candidate.size() + 1 && key.starts_with(candidate);
        if (equal || plural || singular) {
            return "; did you mean \"" + std::string(candidate) + "\"?";
        }
    }
    return "";
}

}  // namespace

std::string join_field(std::string_view parent, std::string_view key) {
    std::string out(parent);
    if (key.find_first_of("./ ") != std::string_view::npos) {
        const std::string text = quoted(key);
        return out + '[' + text.substr(1, text.size() - 2) + ']';
    }
    if (!out.empty()) out += '.';
    const std::string text = quoted(key);
    return out + text.substr(1, text.size() - 2);
}

std::string join_index(std::string_view parent, std::size_t index) {
    return std::string(parent) + '[' + std::to_string(index) + ']';
}

void Report::error(std::uint32_t line, std::string field, std::string message, std::string remedy) {
    log_.add({.severity = Severity::error,
              .pos = pos(line),
              .object = object_,
              .field = std::move(field),
              .message = std::move(message),
              .remedy = std::move(remedy)});
}

void Report::warning(std::uint32_t line, std::string field, std::string message,
                     std::string remedy) {
    log_.add({.severity = Severity::warning,
              .pos = pos(line),
              .object = object_,
              .field = std::move(field),
              .message = std::move(message),
              .remedy = std::move(remedy)});
}

bool Report::check_repeated(const Node& map, std::string_view field, const std::string& remedy) {
    if (!map.repeated_key) return true;
    for (auto it = map.children.begin(); it != map.children.end(); ++it) {
        const auto first = std::find_if(map.children.begin(), it,
                                        [&](const Node& other) { return other.key == it->key; });
        if (first == it) continue;
        error(it->line, join_field(field, it->key),
              "is written twice, first in line " + std::to_string(first->line), remedy);
    }
    return false;
}

bool Report::check_members(const Node& map, std::string_view field,
                           std::initializer_list<std::string_view> known,
                           const std::string& remedy) {
    bool fine = check_repeated(map, field, remedy);
    for (const Node& member : map.children) {
        if (std::find(known.begin(), known.end(), member.key) != known.end()) continue;
        error(member.line, join_field(field, member.key),
              "unknown field" + did_you_mean(member.key, known), remedy);
        fine = false;
    }
    return fine;
}

std::optional<std::string> Report::string(const Node& map, std::string_view field,
                                          std::string_view key, const std::string& remedy) {
    const Node* node = map.get(key);
    if (node == nullptr) return std::nullopt;
    if (node->is_string()) return node->text;
    const bool scalar = !node->is_list() && !node->is_map();
    error(node->line, join_field(field, key),
          "is " + describe(*node) + ", not a string" + (scalar ? "; write it in quotes" : ""),
          remedy);
    return std::nullopt;
}

std::optional<bool> Report::boolean(const Node& map, std::string_view field, std::string_view key,
                                    const std::string& remedy) {
    const Node* node = map.get(key);
    if (node == nullptr) return std::nullopt;
    if (node->is(Node::Kind::boolean)) return parse_boolean(node->text);
    error(node->line, join_field(field, key), "is " + describe(*node) + ", not a boolean", remedy);
    return std::nullopt;
}

const Node* Report::child(const Node& map, std::string_view field, std::string_view key,
                          Node::Kind kind, const std::string& remedy) {
    const Node* node = map.get(key);
    if (node == nullptr || node->kind == kind) return node;
    error(node->line, join_field(field, key),
          "is " + describe(*node) + ", not " + std::string(name_of(kind)), remedy);
    return nullptr;
}

}  // namespace podfence
