#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/source.hpp"

/// How to reach an API server: from a pod's service account, or from kubeconfig files as kubectl
/// reads them.
namespace podfence {

/// The value of a variable of the environment; nullopt: not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

/// A text written in place, or a file that may be replaced at any time and is read whenever it is
/// needed. Both empty: there is none.
struct TextSource {
    std::string text{};
    std::string path{};
    bool empty() const { return text.empty() && path.empty(); }
    friend bool operator==(const TextSource&, const TextSource&) = default;
};
/// `what` is "the CA of context prod"; for messages. An empty source gives an empty text. Errors:
/// credentials; a file that cannot be read, holds nothing, or is larger than any of these is.
Sourced<std::string> read_text(const TextSource& source, std::string_view what);

/// A program that hands out credentials (client.authentication.k8s.io/v1 and v1beta1).
struct ExecPlugin {
    std::string api_version{};
    std::string command{};
    std::vector<std::string> args{};
    std::vector<std::pair<std::string, std::string>> env{};  ///< Besides our own.
    std::string install_hint{};
    bool cluster_info = false;  ///< It wants to be told which cluster it is for.
    friend bool operator==(const ExecPlugin&, const ExecPlugin&) = default;
};

/// An API server and who we are to it.
struct ClusterAccess {
    std::string origin{};  ///< For people: "in-cluster", "context prod of /etc/kubeconfig".
    std::string host{};    ///< A name or an address, IPv6 without brackets.
    std::uint16_t port = 443;
    std::string base_path{};    ///< "" or "/k8s/clusters/c-1": before every target.
    std::string server_name{};  ///< Whom the certificate must be of.
    bool verify = true;
    TextSource ca{};  ///< PEM; empty: the system's.
    TextSource certificate{};
    TextSource key{};
    TextSource token{};
    std::optional<ExecPlugin> exec{};
    friend bool operator==(const ClusterAccess&, const ClusterAccess&) = default;
};
std::string url_of(const ClusterAccess& access);  ///< "https://[fd00::1]:6443/k8s"

struct AccessOptions {
    std::string kubeconfig{};  ///< One file; empty: see find_access().
    std::string context{};     ///< Instead of current-context.
    std::string account_dir = "/var/run/secrets/kubernetes.io/serviceaccount";
};

/// The file that was named; else those of KUBECONFIG; else the pod's service account. Never a home
/// directory's file: the agent must not change clusters because somebody ran `kubectl config`.
/// Errors: input; they name file, line, context, field and what to do.
Sourced<ClusterAccess> find_access(const AccessOptions& options, const Environment& environment);

/// Of several files the first to say something wins, entry by entry; those that do not exist are
/// left out.
Sourced<ClusterAccess> read_kube_config(const std::vector<std::string>& paths,
                                        const std::string& context);
Sourced<ClusterAccess> in_cluster_access(const std::string& account_dir,
                                         const Environment& environment);

/// "https://host:port/path", with or without what can be left out. The reason it is none: a
/// message.
boost::system::result<void, std::string> parse_server_url(std::string_view url,
                                                          ClusterAccess& access);

}  // namespace podfence
