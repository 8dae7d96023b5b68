#include "controller/object_loader.hpp"

#include <algorithm>
#include <utility>

#include "controller/limits.hpp"

namespace podfence {

namespace {

constexpr const char* kPolicyGroup = "networking.k8s.io/";

std::size_t count_nodes(const Node& node) {
    std::size_t total = 1;
    for (const Node& child : node.children) total += count_nodes(child);
    return total;
}

bool is_list_kind(std::string_view kind) {
    return kind.ends_with("List");
}

std::string lower(std::string text) {
    for (char& c : text) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    return text;
}

/// Groups that others define have a dot; an API version without one can only mean Kubernetes' own.
bool is_builtin(std::string_view api_version) {
    return api_version.substr(0, api_version.find('/')).find('.') == std::string_view::npos;
}

/// A NetworkPolicy whose header is not as it should be, as far as one can tell.
bool means_policy(const std::string& api_version, const std::string& kind, const Node& node) {
    const std::string plain = lower(kind);
    const bool named = plain == "networkpolicy" || plain == "networkpolicies";
    const bool grouped = lower(api_version).starts_with("networking.k8s.io");
    if (named) return grouped || is_builtin(api_version);
    const bool in_group = api_version.starts_with(kPolicyGroup);
    if (in_group && kind.empty()) return true;
    // Nothing else in the group selects pods: the kind is misspelt, or all of the header missing.
    const Node* spec = node.get("spec");
    return (in_group || (api_version.empty() && kind.empty())) && spec != nullptr &&
           (spec->find("podSelector") != nullptr || spec->find("policyTypes") != nullptr);
}

/// A Pod or Namespace, be its header misspelt.
bool means(std::string_view wanted, const std::string& api_version, const std::string& kind) {
    return lower(kind) == lower(std::string(wanted)) && is_builtin(api_version);
}

}  // namespace

void ObjectLoader::error(std::uint32_t line, std::string message, std::string remedy) {
    log_.add({.pos = {.file = file_, .line = line},
              .message = std::move(message),
              .remedy = std::move(remedy)});
}

void ObjectLoader::begin_document(std::uint32_t line) {
    document_line_ = line;
    items_ = 0;
    list_kind_.clear();
    list_version_.clear();
    unfinished_line_ = 0;
    pending_.clear();
    pending_nodes_ = pending_lost_ = 0;
    unknown_items_ = false;
}

void ObjectLoader::head(const Node& partial) {
    list_kind_ = partial.string_at("kind");
    list_version_ = partial.string_at("apiVersion");
}

void ObjectLoader::item(Node node) {
    ++items_;
    const bool waits = node.is_map() && node.get("kind") == nullptr && list_kind_.empty();
    if (!waits) {
        object(node, 1);
        return;
    }
    pending_nodes_ += count_nodes(node);
    if (pending_nodes_ > limits::kPendingNodes) {
        ++pending_lost_;
        return;
    }
    pending_.push_back(std::move(node));
}

/// Items of a typed list do not say what they are, so that policies among the lost ones leave no
/// trace that could isolate.
void ObjectLoader::check_lost_policies(std::uint32_t line) {
    const bool may_be_policies =
        list_kind_.empty() ? !pending_.empty() : list_kind_ == "NetworkPolicyList";
    if (!std::exchange(unknown_items_, false) || !may_be_policies) return;
    error(line, "network policies of this list are lost, and which pods they isolate is unknown",
          "mend the list");
    loaded_.unreadable = true;
}

void ObjectLoader::release_pending(const Node& root) {
    for (const Node& node : std::exchange(pending_, {})) object(node, 1);
    if (std::exchange(pending_lost_, 0) == 0) return;
    error(root.line,
          "the list's kind stands behind its items, and there are too many to wait for it",
          "write kind before items; the items that passed the limit are not in force");
    loaded_.unreadable = true;
}

void ObjectLoader::end_document(const Node& root) {
    if (root.is_map()) head(root);
    check_lost_policies(document_line_);
    if (items_ == 0) {
        if (!root.is_null()) object(root, 0);
        return;
    }
    // A root list has no header: its elements are objects of their own.
    if (root.is_map()) {
        if (!is_list_kind(list_kind_)) {
            const Node* kind = root.find("kind");
            if (kind == nullptr) {
                // kubectl writes the kind behind the items, and the policies last of these.
                error(document_line_, "a list of items without kind: it may have been cut off",
                      "make it kind: List; what policies it lacks is unknown");
                loaded_.unreadable = true;
            } else {
                error(kind->line, "a list of items whose kind is " + describe(*kind),
                      "make it kind: List; the items that were read are in force");
            }
        }
        for (const Node& member : root.children) {
            if (member.key == "items" && root.repeated_key) {
                error(member.line, "items is written twice", "write one list of items");
                break;
            }
        }
    }
    release_pending(root);
}

void ObjectLoader::cut_off() {
    const bool of_others =
        is_list_kind(list_kind_) && list_kind_ != "List" && list_kind_ != "NetworkPolicyList";
    if (!of_others) loaded_.unreadable = true;
}

void ObjectLoader::abandon_document() {
    check_lost_policies(document_line_);
    release_pending(Node{.line = document_line_});
}

void ObjectLoader::end_source() {
    const std::uint32_t line = std::exchange(unfinished_line_, 0);
    if (line == 0) return;
    error(line, "ends before it says what the last object is: it may have been cut off",
          "give all of it; what policies it lacks is unknown");
    loaded_.unreadable = true;
}

/// What stands last may be a policy that broke off before its kind was complete. Of a document that
/// is no item only its apiVersion or nothing but the start of the kind tell of that: files of other
/// things lie among manifests.
void ObjectLoader::note_end(const Node& node, const std::string& kind, std::size_t depth) {
    const bool item = depth > 0 || items_ > 0;
    const bool header_only = std::all_of(
        node.children.begin(), node.children.end(),
        [](const Node& child) { return child.key == "apiVersion" || child.key == "kind"; });
    const bool cut_kind = std::string_view("NetworkPolicy").starts_with(kind) && header_only;
    unfinished_line_ =
        (kind.empty() && item) || (cut_kind && !node.children.empty()) ? node.line : 0;
}

/// Two objects run together, most often for want of a line "---": none of it can be trusted.
bool ObjectLoader::repeats_header(const Node& node) {
    if (!node.repeated_key) return false;
    const auto count = [&](std::string_view key) {
        return std::count_if(node.children.begin(), node.children.end(),
                             [&](const Node& child) { return child.key == key; });
    };
    if (count("kind") < 2 && count("metadata") < 2 && count("apiVersion") < 2) return false;
    const bool policy = std::any_of(
        node.children.begin(), node.children.end(),
        [](const Node& child) { return child.key == "kind" && child.text == "NetworkPolicy"; });
    std::vector<SniffedPolicy> policies;
    for (const Node& child : node.children) {
        if (child.key == "metadata" && policy) policies.push_back(sniff_metadata(child));
    }
    if (policy && policies.empty()) policies.push_back({.line = node.line});
    unreadable(
        node.line,
        "apiVersion, kind or metadata occur twice: two objects without a line --- between them?",
        policies);
    return true;
}

void ObjectLoader::object(const Node& node, std::size_t depth) {
    if (!node.is_map()) {
        error(node.line, "is " + describe(node) + ", not a Kubernetes object",
              "write a map with apiVersion, kind and metadata");
        return;
    }
    if (repeats_header(node)) return;
    std::string version(node.string_at("apiVersion"));
    std::string kind(node.string_at("kind"));
    // The items of a typed list have neither.
    const bool of_list = depth > 0 && kind.empty() && is_list_kind(list_kind_);
    if (of_list && list_kind_ != "List") {
        kind = list_kind_.substr(0, list_kind_.size() - 4);
        if (version.empty()) version = list_version_;
    }
    note_end(node, kind, depth);
    typed(node, version, kind, depth);
}

void ObjectLoader::typed(const Node& node, const std::string& version, const std::string& kind,
                         std::size_t depth) {
    if (kind == "NetworkPolicy" && version == kPolicyVersion) {
        put_policy(node, true);
    } else if (means_policy(version, kind, node)) {
        put_policy(node, false);
    } else if (means("Pod", version, kind)) {
        put_pod(node, version, kind);
    } else if (means("Namespace", version, kind)) {
        put_namespace(node, version, kind);
    } else if (kind.empty() && node.get("items") != nullptr) {
        error(node.line, "a list without kind", "make it kind: List; its items are in force");
        children(node, depth + 1);
    } else if (kind.empty()) {
        error(node.line, "an object without kind", "write its apiVersion and kind; it is ignored");
    } else if (kind == "List" && version == "v1" && node.find("items") == nullptr) {
        error(node.line, "a List without items", "is items misspelt? nothing of it is in force");
    } else if (kind == "Kustomization" && version.starts_with("kustomize.config.k8s.io/")) {
        ++loaded_.skipped;
        Report report(log_, file_, kind);
        report.warning(node.line, "",
                       "is not built; the files it names are read as they are, if at all",
                       "give the output of kubectl kustomize instead");
    } else if (is_list_kind(kind) && node.find("items") != nullptr) {
        children(node, depth + 1);
    } else if (kind == "NetworkPolicy") {
        ++loaded_.skipped;
        Report report(log_, file_, label_of(node, kind, true, options_.default_namespace));
        report.warning(node.line, "apiVersion",
                       quoted(version) + " is another plugin's policy and is not enforced",
                       std::string("only ") + kPolicyVersion + " is");
    } else {
        ++loaded_.skipped;
    }
}

/// A list inside a list; its items are all here.
void ObjectLoader::children(const Node& list, std::size_t depth) {
    const Node* items = list.get("items");
    if (items == nullptr) return;
    if (!items->is_list()) {
        error(items->line, "items is " + describe(*items) + ", not a list", "write a list");
        return;
    }
    const std::string outer_kind = std::exchange(list_kind_, list.string_at("kind"));
    const std::string outer_version = std::exchange(list_version_, list.string_at("apiVersion"));
    for (const Node& node : items->children) object(node, depth);
    list_kind_ = outer_kind;
    list_version_ = outer_version;
}

void ObjectLoader::unreadable(std::uint32_t line, const std::string& message,
                              const std::vector<SniffedPolicy>& policies) {
    ++loaded_.unparsed;
    error(line, message,
          policies.empty() ? "mend it; nothing of it is in force"
                           : "mend it; what seem to be policies in it isolate meanwhile");
    for (const SniffedPolicy& policy : policies) put_unreadable(policy);
    unknown_items_ = unknown_items_ || policies.empty();
}

}  // namespace podfence
