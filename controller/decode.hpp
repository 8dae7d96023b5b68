#pragma once

#include <optional>
#include <string>

#include "controller/node.hpp"
#include "controller/objects.hpp"
#include "controller/report.hpp"
#include "controller/source.hpp"

/// From trees to objects, with the API server's validation (N48). What cannot be understood is left
/// out in the way that fails closed (D12), at the smallest enclosing thing, and reported.
namespace podfence {

/// metadata, as far as it matters.
struct Metadata {
    ObjectName name{};
    bool named = false;  ///< False: there is no usable name, and `name.name` is empty.
    std::string uid{};
    Labels labels{};
    bool deleting = false;
    std::int64_t created_s = 0;
};

/// The object's name for messages, found without reporting anything: "Pod shop/web-1".
std::string label_of(const Node& object, std::string_view kind, bool namespaced,
                     const std::string& default_namespace);

/// "nameSpace", "name_space", "namespaces": no other field of metadata is spelt like that.
bool is_misspelt_namespace(std::string_view key);

/// An invalid namespace is used with '-' for what is not allowed, so that what shares it still
/// meets; an invalid or missing name leaves `named` false. Labels that are no strings count as the
/// text that is written, others in error are left out, and either is marked by kUnsureLabel.
Metadata decode_metadata(const Node& object, Kind kind, const std::string& default_namespace,
                         Report& report);

/// nullopt: it has no name, which was reported.
std::optional<Pod> decode_pod(const Node& object, const std::string& default_namespace,
                              Report& report);
std::optional<Namespace> decode_namespace(const Node& object, Report& report);

/// Always gives a policy, if only one that isolates. `name.name` is empty when it has no valid one.
/// `trusted` is false when its apiVersion or kind are not as they should be: its rules allow
/// nothing then.
NetworkPolicy decode_policy(const Node& object, const std::string& default_namespace, bool trusted,
                            Report& report);

/// A selector with those requirements that could be read; `complete` is false when some were not.
struct DecodedSelector {
    LabelSelector selector{};
    bool complete = true;
};
DecodedSelector decode_selector(const Node& node, const std::string& field, Report& report,
                                const std::string& remedy);

/// One item of spec.ingress or spec.egress; one that matches nothing when it cannot be read.
PolicyRule decode_rule(const Node& node, Direction direction, std::uint32_t index,
                       const std::string& field, Report& report);
std::optional<PolicyPort> decode_policy_port(const Node& node, const std::string& field,
                                             Report& report);
std::optional<Peer> decode_peer(const Node& node, const std::string& field, Report& report);

}  // namespace podfence
