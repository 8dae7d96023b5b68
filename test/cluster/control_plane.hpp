#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "test/cluster/http.hpp"
#include "test/support/lab.hpp"
#include "test/support/lab_child.hpp"

namespace podfence::lab {

/// A real kube-apiserver with etcd, without any controller: what the tests do not write is not
/// there. They run in a network namespace of their own, to which every node of the lab has a cable:
///
///     node N  172.29.N.1 ---- 172.29.N.254  api  172.29.0.1:6443 (lo)
///
class ControlPlane {
  public:
    /// nullopt: everything that is needed is there. Else what is not, for PODFENCE_SKIP.
    static std::optional<std::string> missing();

    /// Starts both and waits until the API answers: seconds. Throws Failure.
    explicit ControlPlane(const Lab& lab);

    const NetNs& ns() const { return ns_; }
    static const std::string& address();
    static constexpr std::uint16_t kPort = 6443;
    std::string ca_file() const { return directory_ + "/ca.crt"; }
    /// Of the administrator, who may do everything.
    std::string admin_token() const;
    std::string admin_kubeconfig() const { return directory_ + "/admin.kubeconfig"; }
    /// For another user, by token. `name` is part of the file's name. `port`: of what stands
    /// between.
    std::string write_kubeconfig(const std::string& name, const std::string& token,
                                 std::uint16_t port = kPort) const;

    /// SIGKILL, as a machine dies, or SIGTERM and the end of it.
    void kill_api() { api_->kill(); }
    void stop_api();
    /// Waits until it answers again.
    void start_api();
    void kill_etcd() { etcd_->kill(); }
    void start_etcd();
    /// Makes etcd forget all history, so that a watch from before cannot be resumed once the API
    /// server, which remembers some of its own, has been restarted.
    void compact();
    /// Pulls a node's cable to the API server, silently: nothing is refused, nothing arrives.
    void set_cable(std::size_t node, bool plugged);

    std::string kubectl() const { return assets_ + "/kubectl"; }
    std::string log() const { return directory_ + "/kube-apiserver.log"; }

  private:
    void lay_cables(const Lab& lab);
    HttpResponse ask_etcd(const std::string& target, const std::string& body);

    std::string assets_;
    std::string directory_;
    NetNs ns_;
    std::optional<Child> etcd_;
    std::optional<Child> api_;
};

}  // namespace podfence::lab
