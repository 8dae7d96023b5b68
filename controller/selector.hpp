#pragma once

#include <string>

#include "controller/objects.hpp"

namespace podfence {

/// N24-N26.
bool matches(const Requirement& requirement, const Labels& labels);
bool matches(const LabelSelector& selector, const Labels& labels);

/// As kubectl prints it: "app=web,tier in (a,b),!legacy"; "<all>" for the empty selector.
std::string to_string(const LabelSelector& selector);
/// The names of namespaces when the selector asks for these and nothing else; nullptr otherwise.
const std::vector<std::string>* names_asked(const LabelSelector& namespaces);
/// For a person: "pods app=web in namespaces team=a", "all pods of this namespace", "all pods in
/// namespace shop"...
std::string to_string(const PodPeer& peer);
std::string to_string(const IpBlock& block);  ///< "10.0.0.0/8 except 10.1.0.0/16"
std::string to_string(const Peer& peer);
std::string to_string(
    const PolicyPort& port);  ///< "80/TCP", "8000-8080/UDP", "http/TCP", "all TCP"

}  // namespace podfence
