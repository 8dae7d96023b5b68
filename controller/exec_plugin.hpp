#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "controller/kube_config.hpp"

namespace podfence {

/// What a plugin handed out: a token, or a certificate and its key, or both.
struct ExecCredential {
    std::string token{};
    std::string certificate{};
    std::string key{};
    std::optional<std::int64_t> expires_s{};  ///< Seconds since 1970; nullopt: until it is refused.
};

/// The value of KUBERNETES_EXEC_INFO. `ca_pem` is the cluster's.
std::string exec_info(const ExecPlugin& plugin, const ClusterAccess& access,
                      const std::string& ca_pem);
/// From the plugin's output. Errors: credentials.
Sourced<ExecCredential> parse_exec_output(const ExecPlugin& plugin, std::string_view output);

/// Runs the plugin and waits for its end without blocking; after `timeout` it is killed with all
/// processes of its group. Errors: credentials, with what it wrote to stderr.
boost::asio::awaitable<Sourced<ExecCredential>> run_exec_plugin(
    boost::asio::any_io_executor executor, ExecPlugin plugin, std::string info,
    std::chrono::milliseconds timeout);

}  // namespace podfence
