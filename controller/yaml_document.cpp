#include "controller/yaml_document.hpp"

#include <algorithm>

#include "controller/limits.hpp"

namespace podfence {

namespace {

/// Beyond its limit a piece keeps only lines that may say what it is, for sniff_yaml.
constexpr std::size_t kSniffBytes = std::size_t{64} << 10;

bool says_what_it_is(std::string_view line) {
    const std::size_t at = std::min(line.find_first_not_of(" -\"'"), line.size());
    const std::string_view content = line.substr(at);
    return content.starts_with("kind") || content.starts_with("metadata") ||
           content.starts_with("name") || content.starts_with("apiVersion");
}

/// YAML allows no control character but tab and line ends.
std::size_t find_control(std::string_view text) {
    const auto found = std::find_if(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\t') || byte == 0x7f;
    });
    return static_cast<std::size_t>(found - text.begin());
}

/// Of JSON with a comment in front nothing can be read: it is neither JSON nor YAML.
bool begins_with_comment(const YamlText& text) {
    const std::string_view all = text.text;
    const std::string_view start = all.substr(std::min(all.find_first_not_of(" \t\n"), all.size()));
    return start.starts_with("//") || start.starts_with("/*");
}

std::string comment_hint(const YamlText& text) {
    return begins_with_comment(text) ? "; JSON has no comments: remove what is in front of it" : "";
}

std::string hex(char c) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    return std::string("0x") + kDigits[byte >> 4] + kDigits[byte & 15U];
}

}  // namespace

void YamlDocument::add(Piece& piece, std::string_view text, std::uint32_t number) {
    if (piece.first_line == 0) piece.first_line = number;
    const std::size_t control = find_control(text);
    if (control < text.size() && piece.bad_line == 0) {
        piece.bad_line = number;
        piece.bad_character = text[control];
    }
    const std::size_t size = piece.text.text.size() + text.size() + 1;
    if (size > limits::kObjectBytes) {
        piece.too_long = true;
        if (size > limits::kObjectBytes + kSniffBytes || !says_what_it_is(text)) return;
    }
    piece.text.append(text, number);
}

void YamlDocument::line(std::string_view text, std::uint32_t number) {
    if (!started_) {
        started_ = true;
        loader_.begin_document(number);
    }
    if (state_ == State::at_items) {
        if (is_blank_or_comment(text)) return;
        const std::size_t column = indent_of(text);
        if (starts_with_dash(text.substr(column))) {
            start_items(column);
        } else {
            state_ = State::after_items;
        }
    }
    if (state_ == State::in_items && !continues_item(text)) {
        finish_item();
        if (indent_of(text) != item_column_ || !starts_with_dash(text.substr(item_column_))) {
            state_ = State::after_items;
        }
    }
    if (state_ == State::in_items) {
        add(item_, text, number);
        return;
    }
    add(head_, text, number);
    if (state_ == State::before_items && is_bare_key(text, "items")) state_ = State::at_items;
}

/// An item reaches up to the next line that is not indented deeper than its dash. Comments may
/// stand anywhere; inside a block scalar they are text.
bool YamlDocument::continues_item(std::string_view text) const {
    const std::size_t column = indent_of(text);
    return column > item_column_ || is_blank_or_comment(text) || item_.text.line_count == 0;
}

/// What stands above the items is a document of its own, as far as kind and anchors go. An error in
/// it is reported when all of it is there.
void YamlDocument::start_items(std::size_t column) {
    state_ = State::in_items;
    item_column_ = column;
    if (head_.too_long || head_.bad_line != 0) return;
    Node partial;
    if (!parse_yaml(
            head_.text, anchors_, {}, [](const Node&) {}, partial))
        loader_.head(partial);
}

bool YamlDocument::parse(Piece& piece, Node& root) {
    std::string message;
    std::uint32_t line = piece.first_line;
    if (piece.too_long) {
        message = "one object larger than " + std::to_string(limits::kObjectBytes >> 20) + " MiB";
    } else if (piece.bad_line != 0) {
        message = "no YAML: control character " + hex(piece.bad_character);
        line = piece.bad_line;
    } else {
        const auto failure = parse_yaml(
            piece.text, anchors_, [this](const Node& head) { loader_.head(head); },
            [this](Node node) { loader_.item(std::move(node)); }, root);
        if (!failure) return true;
        message = failure->message + comment_hint(piece.text);
        line = failure->line;
        if (begins_with_comment(piece.text)) loader_.cut_off();
    }
    loader_.unreadable(line, message, sniff_yaml(piece.text));
    return false;
}

void YamlDocument::finish_item() {
    Node rest;
    if (item_.text.line_count > 0) parse(item_, rest);
    item_ = {};
}

void YamlDocument::finish() {
    if (!started_) return;
    if (state_ == State::in_items) finish_item();
    Node root;
    // Anchors above the items were taken when these began; again they are the same.
    anchors_ = {};
    if (parse(head_, root)) {
        if (state_ == State::before_items && !root.is_map() && !root.is_list() && !root.is_null()) {
            // Text may well be objects behind something that stands in front of them.
            const auto policies = sniff_yaml(head_.text);
            const std::string what = "is " + describe(root) + ", not a Kubernetes object";
            loader_.unreadable(head_.first_line, what + comment_hint(head_.text), policies);
            if (!policies.empty() || begins_with_comment(head_.text)) loader_.cut_off();
            root = {};
        }
        loader_.end_document(root);
    } else {
        loader_.abandon_document();
    }
    anchors_ = {};
    head_ = {};
    state_ = State::before_items;
    started_ = false;
}

}  // namespace podfence
