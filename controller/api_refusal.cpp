#include "controller/api_refusal.hpp"

#include <algorithm>
#include <utility>

#include "controller/api_stream.hpp"

namespace podfence {

namespace {

/// Of a body that is no Status.
constexpr std::size_t kShownBytes = 120;

std::string group_of(Kind kind) {
    return kind == Kind::policy ? "networking.k8s.io" : "";
}

}  // namespace

ApiRefusal decode_refusal(const Node& status) {
    ApiRefusal refusal;
    if (status.string_at("kind") != "Status") return refusal;
    const auto number = [](const Node& map, std::string_view key) {
        const Node* node = map.get(key);
        return node == nullptr ? std::nullopt : parse_integer(node->text);
    };
    refusal.code = static_cast<unsigned>(number(status, "code").value_or(0));
    refusal.reason = status.string_at("reason");
    refusal.message = status.string_at("message");
    refusal.version_too_large =
        refusal.message.find("Too large resource version") != std::string::npos;
    const Node* details = status.get("details");
    if (details == nullptr) return refusal;
    if (const auto seconds = number(*details, "retryAfterSeconds"); seconds && *seconds > 0) {
        refusal.retry_after = std::chrono::seconds(*seconds);
    }
    if (const Node* causes = details->get("causes")) {
        for (const Node& cause : causes->children) {
            if (cause.string_at("reason") == "ResourceVersionTooLarge") {
                refusal.version_too_large = true;
            }
        }
    }
    return refusal;
}

ApiRefusal read_refusal(std::string_view body) {
    ApiStream stream([](const ApiObject&) {});
    if (stream.feed(body) && stream.complete()) {
        ApiRefusal refusal = decode_refusal(stream.root());
        if (refusal.code != 0) return refusal;
    }
    const std::string_view line = body.substr(0, std::min(body.find('\n'), kShownBytes));
    return {.message = line.empty() ? "" : quoted(line)};
}

Trouble trouble_of(Kind kind, std::string_view verb, unsigned code, const ApiRefusal& refusal) {
    const std::string resource(resource_name(kind));
    const std::string answer =
        std::to_string(code) + (refusal.message.empty() ? "" : ": " + refusal.message);
    if (code == 401) {
        return {.cause = Trouble::Cause::credentials,
                .message = "the API server does not accept our credentials (" + answer + ")",
                .remedy =
                    "check that the token or client certificate is of this cluster and not "
                    "expired; it is read again at every attempt"};
    }
    if (code == 403) {
        return {.cause = Trouble::Cause::forbidden,
                .message = "may not " + std::string(verb) + " " + resource + " (" + answer + ")",
                .remedy = "grant list and watch on resource \"" + resource + "\" of API group \"" +
                          group_of(kind) + "\" in all namespaces to this account by a ClusterRole"};
    }
    if (code == 429) {
        return {.cause = Trouble::Cause::throttled,
                .message = "the API server asks to wait (" + answer + ")"};
    }
    if (code >= 500 && code < 600) {
        return {.cause = Trouble::Cause::server_error,
                .message = "the API server failed (" + answer + ")"};
    }
    if (code == 404) {
        return {.cause = Trouble::Cause::protocol,
                .message = "the API server knows no " + resource + " at " +
                           std::string(api_group_path(kind)) + " (" + answer + ")",
                .remedy = "check that the server's URL is that of a Kubernetes API server"};
    }
    return {.cause = Trouble::Cause::protocol,
            .message =
                "unexpected answer to " + std::string(verb) + " " + resource + " (" + answer + ")",
            .remedy = code >= 300 && code < 400
                          ? "redirects are not followed: give the URL of the API server itself"
                          : "check that the server's URL is that of a Kubernetes API server"};
}

}  // namespace podfence
