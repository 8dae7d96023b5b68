#include "test/support/manifest.hpp"

#include <boost/json.hpp>

#include "controller/encode_objects.hpp"

namespace podfence::test {

namespace {

/// JSON is YAML, too.
template <class Object>
std::string document(const Object& object) {
    return "--- " + boost::json::serialize(encode(object)) + "\n";
}

}  // namespace

std::string to_manifest(const Pod& pod) {
    return document(pod);
}

std::string to_manifest(const Namespace& ns) {
    return document(ns);
}

std::string to_manifest(const NetworkPolicy& policy) {
    return document(policy);
}

std::string to_manifest(const Cluster& cluster) {
    std::string text;
    for (const auto& [name, ns] : cluster.namespaces()) text += to_manifest(ns);
    for (const auto& [name, pod] : cluster.pods()) text += to_manifest(pod);
    for (const auto& [name, policy] : cluster.policies()) text += to_manifest(policy);
    return text;
}

}  // namespace podfence::test
