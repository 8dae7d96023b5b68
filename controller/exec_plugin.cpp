#include "controller/exec_plugin.hpp"

#include <algorithm>
#include <utility>

#include <boost/json.hpp>

#include "controller/api_stream.hpp"
#include "controller/base64.hpp"
#include "controller/child_process.hpp"
#include "controller/validate.hpp"

namespace podfence {

namespace {

namespace asio = boost::asio;
namespace json = boost::json;

/// Of the credentials a plugin prints.
constexpr std::size_t kOutputBytes = std::size_t{1} << 20;
/// Of what it says when it fails.
constexpr std::size_t kShownBytes = 300;

Trouble failure(const ExecPlugin& plugin, const std::string& reason) {
    return {.cause = Trouble::Cause::credentials,
            .message = "the credential plugin " + plugin.command + ' ' + reason,
            .remedy = plugin.install_hint.empty() ? "it is run again at every attempt"
                                                  : plugin.install_hint};
}

std::string first_words(std::string text) {
    const std::size_t end = text.find_last_not_of(" \t\r\n");
    text.resize(end == std::string::npos ? 0 : end + 1);
    return text.empty() ? "" : ": " + quoted(text);
}

}  // namespace

std::string exec_info(const ExecPlugin& plugin, const ClusterAccess& access,
                      const std::string& ca_pem) {
    json::object spec{{"interactive", false}};
    if (plugin.cluster_info) {
        json::object cluster{{"server", url_of(access)}};
        if (access.server_name != access.host) cluster["tls-server-name"] = access.server_name;
        if (!access.verify) cluster["insecure-skip-tls-verify"] = true;
        if (!ca_pem.empty()) cluster["certificate-authority-data"] = to_base64(ca_pem);
        cluster["config"] = nullptr;
        spec["cluster"] = std::move(cluster);
    }
    return json::serialize(json::object{
        {"kind", "ExecCredential"}, {"apiVersion", plugin.api_version}, {"spec", std::move(spec)}});
}

Sourced<ExecCredential> parse_exec_output(const ExecPlugin& plugin, std::string_view output) {
    ApiStream stream([](const ApiObject&) {});
    if (!stream.feed(output) || !stream.complete() || !stream.root().is_map()) {
        // Not quoted: it may hold secrets.
        return failure(plugin, "printed no JSON");
    }
    const Node& root = stream.root();
    if (root.string_at("kind") != "ExecCredential" ||
        root.string_at("apiVersion") != plugin.api_version) {
        return failure(plugin, "printed no ExecCredential of " + plugin.api_version);
    }
    const Node* status = root.get("status");
    if (status == nullptr) return failure(plugin, "printed an ExecCredential without status");
    ExecCredential credential{
        .token = std::string(status->string_at("token")),
        .certificate = std::string(status->string_at("clientCertificateData")),
        .key = std::string(status->string_at("clientKeyData"))};
    if (credential.certificate.empty() != credential.key.empty()) {
        return failure(plugin, "gave a certificate or a key without the other");
    }
    if (credential.token.empty() && credential.certificate.empty()) {
        return failure(plugin, "gave neither a token nor a certificate");
    }
    if (const auto text = status->string_at("expirationTimestamp"); !text.empty()) {
        credential.expires_s = parse_time(text);
        if (!credential.expires_s)
            return failure(plugin, "gave an expirationTimestamp that is none");
    }
    return credential;
}

asio::awaitable<Sourced<ExecCredential>> run_exec_plugin(asio::any_io_executor executor,
                                                         ExecPlugin plugin, std::string info,
                                                         std::chrono::milliseconds timeout) {
    ChildCommand command{.words = {plugin.command},
                         .environment = {plugin.env.begin(), plugin.env.end()},
                         .output_bytes_max = kOutputBytes,
                         .timeout = timeout};
    command.words.insert(command.words.end(), plugin.args.begin(), plugin.args.end());
    command.environment.emplace_back("KUBERNETES_EXEC_INFO", info);
    ChildEnd end = co_await run_child(executor, std::move(command));
    end.errors.resize(std::min(end.errors.size(), kShownBytes));
    if (!end.failure.empty()) co_return failure(plugin, end.failure + first_words(end.errors));
    if (end.status != 0) {
        co_return failure(
            plugin, "ended with status " + std::to_string(end.status) + first_words(end.errors));
    }
    co_return parse_exec_output(plugin, end.output);
}

}  // namespace podfence
