#include <algorithm>

#include "controller/decode.hpp"
#include "controller/validate.hpp"

namespace podfence {

namespace {

constexpr const char* kField = "metadata";
constexpr const char* kAsWritten =
    "the API server refuses this; the rest of the object is in force";
constexpr const char* kNowhere = "which pods the policy isolates is unknown until it is mended";

/// The text of a scalar that should be a string and may not be: "123" for the number 123.
std::string scalar_text(const Node& map, std::string_view key) {
    const Node* node = map.get(key);
    return node == nullptr || node->is_list() || node->is_map() ? std::string() : node->text;
}

/// Keeps text apart and harmless: what is not allowed in names becomes '-'.
std::string sanitized(std::string text) {
    text.resize(std::min<std::size_t>(text.size(), 253));
    std::replace_if(
        text.begin(), text.end(),
        [](char c) {
            const bool alnum =
                (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
            return !alnum && c != '.' && c != '_';
        },
        '-');
    return text;
}

/// What follows from a label that is not as it must be.
std::string label_remedy(Kind kind, bool readable) {
    switch (kind) {
        case Kind::pod:
            return readable ? "until it is mended policies find the pod by this text, and no "
                              "selector takes it as a peer"
                            : "until it is mended the pod is isolated but for what the policies "
                              "that select it allow, and no selector takes it as a peer";
        case Kind::ns:
            return "until it is mended no label of this namespace but its name is matched by a "
                   "namespaceSelector";
        case Kind::policy:
            break;
    }
    return "a policy's own labels have no effect";
}

void mark_unsure(Labels& labels, bool known) {
    labels.insert_or_assign(std::string(kUnsureLabel), known ? "" : std::string(kUnknown));
}

Labels decode_labels(const Node& metadata, Kind kind, Report& report) {
    Labels labels;
    bool known = true;
    bool fine = true;
    const std::string field = "metadata.labels";
    const std::string lost = label_remedy(kind, false);
    const Node* map = report.child(metadata, kField, "labels", Node::Kind::map, lost);
    if (map == nullptr) {
        known = metadata.get("labels") == nullptr;
    } else if (!report.check_repeated(*map, field, lost)) {
        known = false;
    }
    for (std::size_t i = 0; map != nullptr && i < map->children.size(); ++i) {
        const Node& label = map->children[i];
        const std::string at = join_field(field, label.key);
        if (label.key == kUnsureLabel && (label.text.empty() || label.text == kUnknown)) {
            // An agent serves such an object with its mark.
            const bool readable = label.text.empty();
            report.error(label.line, at, "marks labels that the agent could not read either",
                         label_remedy(kind, readable));
            known = known && readable;
            fine = false;
        } else if (!is_label_key(label.key)) {
            report.error(label.line, at, "is no valid label key", lost);
            known = false;
        } else if (label.is_list() || label.is_map()) {
            report.error(label.line, at, "is " + describe(label) + ", not a string", lost);
            known = false;
        } else {
            labels.insert_or_assign(label.key, label.text);
            if (label.is_string() && is_label_value(label.text)) continue;
            report.error(label.line, at,
                         label.is_string() ? quoted(label.text) + " is no valid label value"
                                           : "is " + describe(label) +
                                                 "; label values are strings, write it in quotes",
                         label_remedy(kind, true));
            fine = false;
        }
    }
    if (!known || !fine) mark_unsure(labels, known);
    return labels;
}

/// The lower-case letters of a word, without its plural.
std::string letters_of(std::string_view word) {
    std::string letters;
    for (const char c : word) {
        if (c >= 'A' && c <= 'Z') letters += static_cast<char>(c + 32);
        if (c >= 'a' && c <= 'z') letters += c;
    }
    if (letters.ends_with('s')) letters.pop_back();
    return letters;
}

/// Whether the labels or the namespace are misspelt or written twice. Any other unknown field may
/// be a newer API server's and has no influence on which policies mean the object.
bool hides_traits(const Node& metadata) {
    std::size_t labels = 0;
    std::size_t namespaces = 0;
    for (const Node& member : metadata.children) {
        const std::string letters = letters_of(member.key);
        if (letters == "label" && (member.key != "labels" || ++labels > 1)) return true;
        if (letters == "namespace" && (member.key != "namespace" || ++namespaces > 1)) return true;
    }
    return false;
}

/// What follows from a field of metadata that is none, and may be a misspelt one.
std::string member_remedy(const Node& metadata, Kind kind, const std::string& default_namespace) {
    if (kind != Kind::policy) {
        return hides_traits(metadata) ? label_remedy(kind, false) : kAsWritten;
    }
    if (metadata.get("namespace") != nullptr) return kAsWritten;
    const std::string landed =
        "until it is mended the policy is in force in namespace " + quoted(default_namespace);
    for (const Node& member : metadata.children) {
        if (!is_misspelt_namespace(member.key) || !is_dns_label(member.text)) continue;
        return landed + ", and all pods of namespace " + quoted(member.text) + " are isolated";
    }
    return landed + " and protects no other";
}

void decode_namespace_name(const Node& metadata, Kind kind, const std::string& default_namespace,
                           Report& report, Metadata& out) {
    const Node* node = metadata.get("namespace");
    const std::string text = scalar_text(metadata, "namespace");
    out.name.ns = text.empty() ? default_namespace : text;
    if (node == nullptr || (node->is_string() && text.empty())) return;
    if (node->is_string() && is_dns_label(text)) return;
    out.name.ns = sanitized(out.name.ns);
    std::string remedy = "read as namespace \"" + out.name.ns + "\" until it is mended";
    if (node->is_list() || node->is_map()) {
        remedy = kind == Kind::policy ? kNowhere
                                      : remedy +
                                            "; the pod is isolated there, and no selector "
                                            "takes it as a peer";
        mark_unsure(out.labels, false);
        report.string(metadata, kField, "namespace", remedy);
    } else if (!node->is_string()) {
        report.string(metadata, kField, "namespace", remedy);
    } else {
        report.error(node->line, "metadata.namespace",
                     quoted(text) +
                         " is no valid namespace name: lower-case letters, digits and "
                         "'-', at most 63 characters",
                     remedy);
    }
}

void decode_name(const Node& object, const Node& metadata, bool namespaced, Report& report,
                 Metadata& out) {
    const Node* node = metadata.get("name");
    const std::string text = scalar_text(metadata, "name");
    const std::string remedy = "give the object a valid name";
    if (node == nullptr || (node->is_string() && text.empty())) {
        const std::string prefix(metadata.string_at("generateName"));
        if (!prefix.empty() && is_dns_subdomain(prefix + "x")) {
            // The API server would append something of its own; the line tells several apart.
            out.name.name = prefix + std::to_string(object.line);
            out.named = true;
            return;
        }
        report.error(node == nullptr ? object.line : node->line, "metadata.name", "is missing",
                     remedy);
        return;
    }
    if (!report.string(metadata, kField, "name", remedy)) return;
    if (!is_dns_subdomain(text) || (!namespaced && !is_dns_label(text))) {
        report.error(node->line, "metadata.name",
                     quoted(text) +
                         " is no valid name: lower-case letters, digits, '-' and '.', "
                         "a letter or digit at both ends",
                     remedy);
        return;
    }
    out.name.name = text;
    out.named = true;
}

}  // namespace

bool is_misspelt_namespace(std::string_view key) {
    return key != "namespace" && letters_of(key) == "namespace";
}

std::string label_of(const Node& object, std::string_view kind, bool namespaced,
                     const std::string& default_namespace) {
    const Node* metadata = object.find("metadata");
    std::string ns;
    std::string name;
    if (metadata != nullptr) {
        ns = sanitized(scalar_text(*metadata, "namespace"));
        name = sanitized(scalar_text(*metadata, "name"));
    }
    if (ns.empty()) ns = default_namespace;
    if (name.empty()) name = "(no name)";
    return std::string(kind) + ' ' + (namespaced ? ns + '/' + name : name);
}

Metadata decode_metadata(const Node& object, Kind kind, const std::string& default_namespace,
                         Report& report) {
    const bool namespaced = kind != Kind::ns;
    Metadata out;
    if (namespaced) out.name.ns = default_namespace;
    const Node* found =
        report.child(object, "", "metadata", Node::Kind::map,
                     kind == Kind::policy ? kNowhere : "nothing of the object is in force");
    if (found == nullptr) {
        if (object.get("metadata") == nullptr) {
            report.error(object.line, kField, "is missing", "give the object a name");
        }
        return out;
    }
    const Node& metadata = *found;
    out.labels = decode_labels(metadata, kind, report);
    report.check_members(
        metadata, kField,
        {"name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation",
         "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "labels",
         "annotations", "ownerReferences", "finalizers", "managedFields", "clusterName"},
        member_remedy(metadata, kind, default_namespace));
    if (hides_traits(metadata)) mark_unsure(out.labels, false);
    if (namespaced) decode_namespace_name(metadata, kind, default_namespace, report, out);
    decode_name(object, metadata, namespaced, report, out);
    out.uid = std::string(metadata.string_at("uid"));
    out.deleting = metadata.get("deletionTimestamp") != nullptr;
    if (const auto text = report.string(metadata, kField, "creationTimestamp", kAsWritten)) {
        const auto time = parse_time(*text);
        if (!time) {
            report.error(metadata.get("creationTimestamp")->line, "metadata.creationTimestamp",
                         quoted(*text) + " is no time as in \"2026-03-04T05:06:07Z\"",
                         "the object counts as without one until it is mended");
        }
        out.created_s = time.value_or(0);
    }
    return out;
}

}  // namespace podfence
