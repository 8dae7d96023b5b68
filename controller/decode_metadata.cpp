#include <algorithm>

#include "controller/decode.hpp"
#include "controller/validate.hpp"

namespace podfence {

namespace {

constexpr const char* kField = "metadata";
constexpr const char* kAsWritten =
    "the API server refuses this; the rest of the object is in force";

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

Labels decode_labels(const Node& metadata, Report& report) {
    Labels labels;
    const std::string field = "metadata.labels";
    const std::string remedy = "the object counts as without this label until it is mended";
    const Node* map = report.child(metadata, kField, "labels", Node::Kind::map,
                                   "the object counts as without labels until this is mended");
    if (map == nullptr) return labels;
    report.check_repeated(*map, field, "the last one counts until this is mended");
    for (const Node& label : map->children) {
        const std::string at = join_field(field, label.key);
        if (!is_label_key(label.key)) {
            report.error(label.line, at, "is no valid label key", remedy);
        } else if (!label.is_string()) {
            report.error(label.line, at,
                         "is " + describe(label) + "; label values are strings, write it in quotes",
                         remedy);
        } else if (!is_label_value(label.text)) {
            report.error(label.line, at, quoted(label.text) + " is no valid label value", remedy);
        } else {
            labels.insert_or_assign(label.key, label.text);
        }
    }
    return labels;
}

void decode_namespace_name(const Node& metadata, const std::string& default_namespace,
                           Report& report, Metadata& out) {
    const Node* node = metadata.get("namespace");
    const std::string text = scalar_text(metadata, "namespace");
    out.name.ns = text.empty() ? default_namespace : text;
    if (node == nullptr || (node->is_string() && text.empty())) return;
    if (node->is_string() && is_dns_label(text)) return;
    out.name.ns = sanitized(out.name.ns);
    const std::string remedy = "read as namespace \"" + out.name.ns + "\" until it is mended";
    if (!node->is_string()) {
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

Metadata decode_metadata(const Node& object, bool namespaced, const std::string& default_namespace,
                         Report& report) {
    Metadata out;
    if (namespaced) out.name.ns = default_namespace;
    const Node* found = report.child(object, "", "metadata", Node::Kind::map, kAsWritten);
    if (found == nullptr) {
        if (object.get("metadata") == nullptr) {
            report.error(object.line, kField, "is missing", "give the object a name");
        }
        return out;
    }
    const Node& metadata = *found;
    report.check_members(
        metadata, kField,
        {"name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation",
         "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "labels",
         "annotations", "ownerReferences", "finalizers", "managedFields", "clusterName"},
        kAsWritten);
    if (namespaced) decode_namespace_name(metadata, default_namespace, report, out);
    decode_name(object, metadata, namespaced, report, out);
    out.labels = decode_labels(metadata, report);
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
