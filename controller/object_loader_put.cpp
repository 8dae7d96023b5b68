// One object into the cluster, and what shows only when all are there.
#include <algorithm>
#include <utility>

#include "controller/object_loader.hpp"
#include "controller/unsure_pods.hpp"
#include "controller/validate.hpp"

namespace podfence {

void ObjectLoader::check_header(Report& report, const Node& node, const std::string& version,
                                const std::string& kind, const std::string& wanted_kind) {
    const auto check = [&](const char* field, bool fine, const std::string& wanted) {
        if (fine) return;
        const Node* found = node.get(field);
        report.error(found == nullptr ? node.line : found->line, field,
                     found == nullptr ? "is missing" : "is " + describe(*found),
                     "write " + wanted + "; until then the object is read as that");
    };
    check("apiVersion", version == "v1", "v1");
    check("kind", kind == wanted_kind, wanted_kind);
}

void ObjectLoader::warn_replaced(Report& report, const SourcePos& before, const SourcePos& now) {
    report.warning(now.line, "", "is also at " + to_string(before),
                   "remove one; this later one is in force");
}

void ObjectLoader::put_pod(const Node& node, const std::string& version, const std::string& kind) {
    Report report(log_, file_, label_of(node, "Pod", true, options_.default_namespace));
    check_header(report, node, version, kind, "Pod");
    auto pod = decode_pod(node, options_.default_namespace, report);
    if (!pod) return;
    if (const Pod* before = loaded_.cluster.find_pod(pod->name)) {
        warn_replaced(report, before->pos, pod->pos);
    }
    if (is_unknown(*pod)) loaded_.cluster.put(stand_in_policy(pod->name.ns, pod->pos));
    loaded_.cluster.put(std::move(*pod));
    ++loaded_.objects;
}

void ObjectLoader::put_namespace(const Node& node, const std::string& version,
                                 const std::string& kind) {
    Report report(log_, file_, label_of(node, "Namespace", false, ""));
    check_header(report, node, version, kind, "Namespace");
    auto ns = decode_namespace(node, report);
    if (!ns) return;
    const auto& known = loaded_.cluster.namespaces();
    if (const auto before = known.find(ns->name); before != known.end()) {
        warn_replaced(report, before->second.pos, ns->pos);
    }
    loaded_.cluster.put(std::move(*ns));
    ++loaded_.objects;
}

std::string ObjectLoader::free_name(const std::string& ns, const std::string& wanted,
                                    std::uint32_t line) {
    const auto& policies = loaded_.cluster.policies();
    const std::string made_up = "unreadable-" + std::to_string(line);
    std::string name = wanted.empty() ? made_up : wanted;
    while (policies.contains(ObjectName{.ns = ns, .name = name})) {
        // Of a line that holds very many, the numbers tried before are not tried again.
        std::size_t& number = last_number_[line];
        number = std::max(number + 1, std::size_t{2});
        name = made_up + '-' + std::to_string(number);
    }
    return name;
}

void ObjectLoader::put_policy(const Node& node, bool trusted) {
    Report report(log_, file_, label_of(node, "NetworkPolicy", true, options_.default_namespace));
    if (!trusted) {
        report.error(node.line, "apiVersion",
                     std::string("a NetworkPolicy has apiVersion: ") + kPolicyVersion +
                         " and kind: NetworkPolicy",
                     "until it is mended the policy isolates at its widest reading and its rules "
                     "allow nothing");
    }
    NetworkPolicy policy = decode_policy(node, options_.default_namespace, trusted, report);
    const auto& policies = loaded_.cluster.policies();
    if (policy.name.name.empty()) {
        policy.name.name = free_name(policy.name.ns, "", node.line);
        made_up_.insert(policy.name);
    } else if (made_up_.erase(policy.name) > 0) {
        // A guessed name was this one's: both isolate.
        NetworkPolicy guessed = policies.at(policy.name);
        guessed.name.name = free_name(policy.name.ns, "", guessed.pos.line);
        made_up_.insert(guessed.name);
        loaded_.cluster.put(std::move(guessed));
    } else if (const auto before = policies.find(policy.name); before != policies.end()) {
        warn_replaced(report, before->second.pos, policy.pos);
    }
    const std::string ns = policy.name.ns;
    loaded_.cluster.put(std::move(policy));
    ++loaded_.objects;
    check_namespace(node, ns);
}

/// Of a namespace that is written twice, or misspelt, either may be meant: both are isolated. One
/// that cannot be read at all cannot isolate.
void ObjectLoader::check_namespace(const Node& node, const std::string& read_as) {
    const Node* metadata = node.get("metadata");
    if (metadata == nullptr) return;
    const Node* ns = metadata->get("namespace");
    if (!metadata->is_map() || (ns != nullptr && (ns->is_list() || ns->is_map()))) {
        loaded_.unreadable = true;
    }
    for (const Node& member : metadata->children) {
        const bool names = member.key == "namespace" || is_misspelt_namespace(member.key);
        if (!names || !is_dns_label(member.text) || member.text == read_as) continue;
        put_unreadable({.ns = member.text, .line = member.line});
    }
}

void ObjectLoader::put_unreadable(const SniffedPolicy& sniffed) {
    NetworkPolicy policy;
    policy.ingress = policy.egress = true;
    policy.pos = {.file = file_, .line = sniffed.line};
    policy.name.ns = sniffed.ns.empty() ? options_.default_namespace : sniffed.ns;
    policy.name.name = free_name(policy.name.ns, sniffed.name, sniffed.line);
    log_.add({.pos = policy.pos,
              .object = "NetworkPolicy " + to_string(policy.name),
              .message = "cannot be read",
              .remedy = "until it is mended all pods of namespace " + policy.name.ns +
                        " are isolated in both directions"});
    made_up_.insert(policy.name);
    loaded_.cluster.put(std::move(policy));
    ++loaded_.objects;
}

/// Of a namespace that was not read only the name is known, so that selectors for other labels
/// never match it (N29).
void ObjectLoader::warn_unseen_namespaces() {
    const auto needs_labels = [](const PolicyRule& rule) {
        return std::any_of(rule.peers.begin(), rule.peers.end(), [](const Peer& peer) {
            const auto* pods = std::get_if<PodPeer>(&peer);
            return pods != nullptr && pods->namespaces &&
                   std::any_of(pods->namespaces->requirements.begin(),
                               pods->namespaces->requirements.end(),
                               [](const Requirement& r) { return r.key != kNamespaceNameLabel; });
        });
    };
    const Cluster& cluster = loaded_.cluster;
    const NetworkPolicy* needing = nullptr;
    for (const auto& [name, policy] : cluster.policies()) {
        const bool needs =
            std::any_of(policy.ingress_rules.begin(), policy.ingress_rules.end(), needs_labels) ||
            std::any_of(policy.egress_rules.begin(), policy.egress_rules.end(), needs_labels);
        if (needs && needing == nullptr) needing = &policy;
    }
    if (needing == nullptr) return;
    std::string last;
    for (const auto& [name, pod] : cluster.pods()) {
        if (name.ns == last || cluster.namespaces().contains(name.ns)) continue;
        last = name.ns;
        log_.add({.severity = Severity::warning,
                  .pos = pod.pos,
                  .object = "Namespace " + name.ns,
                  .message = "is not among the input, but NetworkPolicy " +
                             to_string(needing->name) + " selects namespaces by label",
                  .remedy = "add the Namespace; until then only its name is known, and no other "
                            "label selector matches it"});
    }
}

void ObjectLoader::finish() {
    warn_unseen_namespaces();
}

}  // namespace podfence
