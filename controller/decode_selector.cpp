#include <algorithm>

#include "controller/decode.hpp"
#include "controller/sorted.hpp"
#include "controller/validate.hpp"

namespace podfence {

namespace {

/// Collects requirements and remembers whether one was lost.
class SelectorDecoder {
  public:
    SelectorDecoder(Report& report, const std::string& remedy) : report_(report), remedy_(remedy) {}

    void labels(const Node& map, const std::string& field);
    void expressions(const Node& list, const std::string& field);
    void lose(const Node& node, const std::string& field, const std::string& message);
    void lose() { out_.complete = false; }
    DecodedSelector take();

  private:
    void expression(const Node& node, const std::string& field);
    bool values(const Node& node, const std::string& field, Requirement& requirement);

    Report& report_;
    const std::string& remedy_;
    DecodedSelector out_{};
};

void SelectorDecoder::lose(const Node& node, const std::string& field, const std::string& message) {
    report_.error(node.line, field, message, remedy_);
    out_.complete = false;
}

void SelectorDecoder::labels(const Node& map, const std::string& field) {
    if (!report_.check_repeated(map, field, remedy_)) {
        lose();  // all of them: two values of one key would select nothing, not more
        return;
    }
    for (const Node& label : map.children) {
        const std::string at = join_field(field, label.key);
        // What isolates pods of unknown labels, as an agent serves it.
        const bool served = label.key == kUnsureLabel && label.text == kUnknown;
        if (!served && !is_label_key(label.key)) {
            lose(label, at, "is no valid label key");
        } else if (!served && !label.is_string()) {
            lose(label, at,
                 "is " + describe(label) + "; label values are strings, write it in quotes");
        } else if (!served && !is_label_value(label.text)) {
            lose(label, at, quoted(label.text) + " is no valid label value");
        } else {
            out_.selector.requirements.push_back(
                {.key = label.key, .op = SelectorOp::in, .values = {label.text}});
        }
    }
}

bool SelectorDecoder::values(const Node& node, const std::string& field, Requirement& requirement) {
    const bool wants = requirement.op == SelectorOp::in || requirement.op == SelectorOp::not_in;
    const Node* list = node.get("values");
    const std::string at = field + ".values";
    if (list != nullptr && !list->is_list()) {
        lose(*list, at, "is " + describe(*list) + ", not a list");
        return false;
    }
    const bool has = list != nullptr && !list->children.empty();
    if (wants != has) {
        lose(list == nullptr ? node : *list, at,
             wants ? "must have at least one value with In and NotIn"
                   : "must be left out with Exists and DoesNotExist");
        return false;
    }
    for (std::size_t i = 0; has && i < list->children.size(); ++i) {
        const Node& value = list->children[i];
        if (!value.is_string()) {
            lose(value, join_index(at, i),
                 "is " + describe(value) + "; label values are strings, write it in quotes");
            return false;
        }
        if (!is_label_value(value.text)) {
            lose(value, join_index(at, i), quoted(value.text) + " is no valid label value");
            return false;
        }
        requirement.values.push_back(value.text);
    }
    auto& texts = requirement.values;
    sort_unique(texts);
    return true;
}

void SelectorDecoder::expression(const Node& node, const std::string& field) {
    if (!node.is_map()) {
        lose(node, field, "is " + describe(node) + ", not a map with key and operator");
        return;
    }
    if (!report_.check_members(node, field, {"key", "operator", "values"}, remedy_)) {
        lose();
        return;
    }
    const Node* key = node.get("key");
    if (key == nullptr || !key->is_string() || !is_label_key(key->text)) {
        lose(key == nullptr ? node : *key, field + ".key",
             key == nullptr ? "is missing" : "is " + describe(*key) + ", no valid label key");
        return;
    }
    const Node* op = node.get("operator");
    Requirement requirement{.key = key->text};
    const std::string_view name = op == nullptr ? std::string_view() : node.string_at("operator");
    if (name == "In") {
        requirement.op = SelectorOp::in;
    } else if (name == "NotIn") {
        requirement.op = SelectorOp::not_in;
    } else if (name == "Exists") {
        requirement.op = SelectorOp::exists;
    } else if (name == "DoesNotExist") {
        requirement.op = SelectorOp::does_not_exist;
    } else {
        lose(op == nullptr ? node : *op, field + ".operator",
             (op == nullptr ? "is missing" : "is " + describe(*op)) +
                 std::string("; operators are In, NotIn, Exists and DoesNotExist"));
        return;
    }
    if (values(node, field, requirement)) {
        out_.selector.requirements.push_back(std::move(requirement));
    }
}

void SelectorDecoder::expressions(const Node& list, const std::string& field) {
    for (std::size_t i = 0; i < list.children.size(); ++i) {
        expression(list.children[i], join_index(field, i));
    }
}

DecodedSelector SelectorDecoder::take() {
    auto& all = out_.selector.requirements;
    sort_unique(all);
    return std::move(out_);
}

}  // namespace

DecodedSelector decode_selector(const Node& node, const std::string& field, Report& report,
                                const std::string& remedy) {
    SelectorDecoder decoder(report, remedy);
    if (!node.is_map()) {
        decoder.lose(node, field, "is " + describe(node) + ", not a label selector");
        return decoder.take();
    }
    if (!report.check_members(node, field, {"matchLabels", "matchExpressions"}, remedy)) {
        decoder.lose();
        // Which of two was meant is unknown, and neither narrows what the other selects.
        if (node.repeated_key) return decoder.take();
    }
    const auto part = [&](std::string_view key, Node::Kind kind) {
        const Node* child = report.child(node, field, key, kind, remedy);
        if (child == nullptr && node.get(key) != nullptr) decoder.lose();
        return child;
    };
    if (const Node* labels = part("matchLabels", Node::Kind::map)) {
        decoder.labels(*labels, field + ".matchLabels");
    }
    if (const Node* expressions = part("matchExpressions", Node::Kind::list)) {
        decoder.expressions(*expressions, field + ".matchExpressions");
    }
    return decoder.take();
}

}  // namespace podfence
