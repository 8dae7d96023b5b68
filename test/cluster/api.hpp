#pragma once

#include <map>
#include <string>

#include <boost/json/value.hpp>

#include "controller/objects.hpp"
#include "test/cluster/control_plane.hpp"

namespace podfence::lab {

/// What the tests do to the cluster, as its administrator. Everything throws Failure with the API
/// server's words unless it did what was asked.
class Api {
  public:
    explicit Api(const ControlPlane& control);

    /// Creates the object or makes it exactly this. A pod gets its status too, as a kubelet would
    /// write it; one that changed its node is another pod and is replaced.
    void put(const Pod& pod);
    void put(const Namespace& ns);
    void put(const NetworkPolicy& policy);
    /// At once, without grace; what is not there is gone already.
    void remove_pod(const ObjectName& name);
    void remove_policy(const ObjectName& name);
    /// With everything in it, as the namespace controller would.
    void remove_namespace(const std::string& name);

    /// Server-side apply of a manifest's text, of any kind, to its own path.
    void apply(const std::string& path, const std::string& manifest);
    void remove(const std::string& path);
    /// A token of this service account, for an hour.
    std::string token_of(const ObjectName& service_account);
    boost::json::value get(const std::string& path);
    HttpResponse ask(HttpRequest request);

  private:
    HttpResponse expect_ok(HttpRequest request);
    /// Writes the whole of what `get` gave and was changed since; returns what it became.
    boost::json::value replace(const std::string& path, const boost::json::value& object);

    Http http_;
    std::string token_;
    std::map<ObjectName, Pod> pods_;  ///< As last put.
};

}  // namespace podfence::lab
