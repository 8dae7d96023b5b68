#include <algorithm>
#include <string_view>

#include "controller/decode.hpp"

namespace podfence {

namespace {

constexpr const char* kPolicyClosed =
    "until it is mended the policy isolates at its widest reading and its rules allow nothing";
constexpr const char* kDirectionClosed =
    "until it is mended the policy allows nothing in this direction";

bool is_repeated(const Node& map, std::string_view key) {
    return map.repeated_key && std::count_if(map.children.begin(), map.children.end(),
                                             [&](const Node& c) { return c.key == key; }) > 1;
}

class SpecDecoder {
  public:
    SpecDecoder(const Node& spec, bool trusted, Report& report, NetworkPolicy& out)
        : spec_(spec), report_(report), out_(out), trusted_(trusted) {}

    void decode();

  private:
    void decode_pod_selector();
    void decode_types();
    void default_types();
    void decode_rules(Direction direction, std::vector<PolicyRule>& rules);
    void widen_repeated();

    const Node& spec_;
    Report& report_;
    NetworkPolicy& out_;
    bool trusted_;
};

void SpecDecoder::decode() {
    // A misspelt field may be the one that narrows what is selected or allowed (V15).
    trusted_ =
        report_.check_members(spec_, "spec", {"podSelector", "policyTypes", "ingress", "egress"},
                              kPolicyClosed) &&
        trusted_;
    decode_pod_selector();
    decode_types();
    decode_rules(Direction::ingress, out_.ingress_rules);
    decode_rules(Direction::egress, out_.egress_rules);
    widen_repeated();
    // Rules of a direction that is not listed are ignored (N9).
    if (!trusted_ || !out_.ingress) out_.ingress_rules.clear();
    if (!trusted_ || !out_.egress) out_.egress_rules.clear();
}

/// A requirement that is lost makes the selector wider. The policy must then allow nothing, or its
/// rules would open pods that it was never meant for.
void SpecDecoder::decode_pod_selector() {
    const Node* node = spec_.get("podSelector");
    if (node == nullptr) return;  // all pods (N12)
    auto decoded = decode_selector(*node, "spec.podSelector", report_, kPolicyClosed);
    out_.pods = std::move(decoded.selector);
    trusted_ = trusted_ && decoded.complete;
}

void SpecDecoder::default_types() {
    const Node* egress = spec_.get("egress");
    // A list that is none counts as one with rules: that isolates more.
    const bool has_egress = egress != nullptr && !(egress->is_list() && egress->children.empty());
    out_.ingress = true;
    out_.egress = has_egress || !trusted_;
}

void SpecDecoder::decode_types() {
    const Node* types = spec_.get("policyTypes");
    if (types == nullptr || (types->is_list() && types->children.empty())) {
        default_types();
        return;
    }
    bool fine = true;
    const auto refuse = [&](const Node& node, const std::string& field,
                            const std::string& message) {
        report_.error(node.line, field, message, kPolicyClosed);
        fine = false;
    };
    if (!types->is_list()) {
        refuse(*types, "spec.policyTypes", "is " + describe(*types) + ", not a list");
    } else if (types->children.size() > 2) {
        refuse(*types, "spec.policyTypes", "has more than two entries");
    }
    for (std::size_t i = 0; i < types->children.size(); ++i) {
        const Node& type = types->children[i];
        if (type.is_string() && type.text == "Ingress") {
            out_.ingress = true;
        } else if (type.is_string() && type.text == "Egress") {
            out_.egress = true;
        } else {
            refuse(type, join_index("spec.policyTypes", i),
                   "is " + describe(type) + ", not Ingress or Egress");
        }
    }
    if (!fine) {
        trusted_ = false;
        out_.ingress = out_.egress = true;
    }
}

void SpecDecoder::decode_rules(Direction direction, std::vector<PolicyRule>& rules) {
    const std::string key(to_string(direction));
    const Node* list = report_.child(spec_, "spec", key, Node::Kind::list, kDirectionClosed);
    if (list == nullptr) return;
    rules.reserve(list->children.size());
    for (std::size_t i = 0; i < list->children.size(); ++i) {
        rules.push_back(decode_rule(list->children[i], direction, static_cast<std::uint32_t>(i),
                                    join_index("spec." + key, i), report_));
    }
}

/// Which of two spellings was meant is unknown: the policy isolates what either may have.
void SpecDecoder::widen_repeated() {
    if (is_repeated(spec_, "podSelector")) out_.pods = {};
    if (is_repeated(spec_, "policyTypes")) out_.ingress = out_.egress = true;
}

}  // namespace

NetworkPolicy decode_policy(const Node& object, const std::string& default_namespace, bool trusted,
                            Report& report) {
    const bool fine = report.check_members(
        object, "", {"apiVersion", "kind", "metadata", "spec", "status"}, kPolicyClosed);
    Metadata meta = decode_metadata(object, Kind::policy, default_namespace, report);
    NetworkPolicy policy{
        .name = std::move(meta.name), .uid = std::move(meta.uid), .pos = report.pos(object.line)};
    const Node* spec = object.get("spec");
    if (spec == nullptr || !spec->is_map()) {
        const std::string what = spec == nullptr ? "is missing" : "is " + describe(*spec);
        report.error(spec == nullptr ? object.line : spec->line, "spec",
                     what + "; a policy that denies everything has spec: {podSelector: {}}",
                     "until it is mended all pods of the namespace are isolated in both "
                     "directions");
        policy.ingress = policy.egress = true;
        return policy;
    }
    SpecDecoder(*spec, trusted && fine, report, policy).decode();
    if (is_repeated(object, "spec")) {
        policy.pods = {};
        policy.ingress = policy.egress = true;
    }
    return policy;
}

}  // namespace podfence
