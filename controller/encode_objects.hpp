#pragma once

#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "controller/objects.hpp"

/// Objects back into Kubernetes' JSON: what the agent serves to those commands that are not given
/// manifests. The loader (controller/manifest_source.hpp) reads each back into an equal value, but
/// for where it was read from.
///
/// Objects hold only what matters, so that the JSON is not what the API server has: fields are
/// missing, defaults are written out, a pod's ports stand in made-up containers, and a pod that is
/// being deleted has a deletionTimestamp of 1970, since only its presence is known.
///
/// A list of peers or ports of which nothing could be understood matches nothing (D12). Kubernetes
/// cannot say that: an empty list matches everything. Such a list holds one item instead that no
/// reader takes, with a field of ours that says why: our loader makes an empty list of it and
/// reports it, an API server refuses it. A mark elsewhere, say an annotation, would open the policy
/// wide for whoever overlooks it.
namespace podfence {

/// The only member of an item that stands for what could not be understood.
inline constexpr std::string_view kUnreadableItem = "podfence.io/unreadable";

boost::json::object encode(const Pod& pod);
boost::json::object encode(const Namespace& ns);
/// The policy must isolate in one direction at least, as everything that was decoded does.
boost::json::object encode(const NetworkPolicy& policy);

}  // namespace podfence
