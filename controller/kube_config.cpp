#include "controller/kube_config.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <system_error>

#include <arpa/inet.h>

#include "controller/validate.hpp"

namespace podfence {

namespace {

/// No certificate bundle or token comes near.
constexpr std::size_t kTextBytes = std::size_t{4} << 20;
constexpr std::uint16_t kHttpsPort = 443;

Trouble input(std::string message, std::string remedy) {
    return {
        .cause = Trouble::Cause::input, .message = std::move(message), .remedy = std::move(remedy)};
}

bool is_ipv6(const std::string& host) {
    in6_addr address{};
    return ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}  // namespace

Environment process_environment() {
    return [](const std::string& name) -> std::optional<std::string> {
        const char* value = std::getenv(name.c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
    };
}

Sourced<std::string> read_text(const TextSource& source, std::string_view what) {
    if (source.path.empty()) return source.text;
    const auto failure = [&](const std::string& reason) {
        return Trouble{.cause = Trouble::Cause::credentials,
                       .message = std::string(what) + ": " + source.path + ' ' + reason,
                       .remedy = "it is read again at every attempt"};
    };
    std::ifstream file(source.path, std::ios::binary);
    if (!file) {
        return failure("cannot be read: " + std::generic_category().message(errno));
    }
    std::string text;
    std::array<char, 4096> buffer{};
    while (file.read(buffer.data(), buffer.size()) || file.gcount() > 0) {
        text.append(buffer.data(), static_cast<std::size_t>(file.gcount()));
        if (text.size() > kTextBytes) return failure("is too large");
    }
    if (file.bad()) return failure("cannot be read");
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) return failure("is empty");
    return text;
}

std::string url_of(const ClusterAccess& access) {
    const std::string host = is_ipv6(access.host) ? '[' + access.host + ']' : access.host;
    return "https://" + host + ':' + std::to_string(access.port) + access.base_path;
}

boost::system::result<void, std::string> parse_server_url(std::string_view url,
                                                          ClusterAccess& access) {
    constexpr std::string_view kScheme = "https://";
    if (const std::size_t scheme = url.find("://"); scheme != std::string_view::npos) {
        if (!url.starts_with(kScheme)) {
            return "does not begin with https://, and nothing else is safe";
        }
        url.remove_prefix(kScheme.size());
    }
    const std::size_t slash = std::min(url.find('/'), url.size());
    std::string_view authority = url.substr(0, slash);
    std::string_view path = url.substr(slash);
    if (path.find_first_of("?#") != std::string_view::npos ||
        authority.find_first_of("?#@ ") != std::string_view::npos) {
        return "has a user, a query or a fragment, which podfence does not support";
    }
    while (path.ends_with('/')) path.remove_suffix(1);
    std::string_view port;
    if (authority.starts_with('[')) {
        const std::size_t end = authority.find(']');
        if (end == std::string_view::npos) return "has a '[' without a ']'";
        access.host = authority.substr(1, end - 1);
        if (!is_ipv6(access.host)) return "has no IPv6 address between the brackets";
        authority.remove_prefix(end + 1);
        if (!authority.empty() && authority[0] != ':') return "has text behind the ']'";
        port = authority.substr(std::min<std::size_t>(1, authority.size()));
    } else {
        const std::size_t colon = std::min(authority.find(':'), authority.size());
        access.host = authority.substr(0, colon);
        port = authority.substr(std::min(colon + 1, authority.size()));
        if (port.find(':') != std::string_view::npos) {
            return "has more than one ':'; an IPv6 address stands in brackets";
        }
    }
    if (access.host.empty()) return "names no host";
    access.port = kHttpsPort;
    if (!port.empty()) {
        const auto [end, error] =
            std::from_chars(port.data(), port.data() + port.size(), access.port);
        if (error != std::errc() || end != port.data() + port.size() || access.port == 0) {
            return "has \"" + std::string(port) + "\" for a port";
        }
    }
    access.base_path = path;
    access.server_name = access.host;
    return {};
}

Sourced<ClusterAccess> in_cluster_access(const std::string& account_dir,
                                         const Environment& environment) {
    const auto host = environment("KUBERNETES_SERVICE_HOST").value_or("");
    const auto port = environment("KUBERNETES_SERVICE_PORT").value_or("");
    if (host.empty() || port.empty()) {
        return input(
            "this is no pod of a cluster: KUBERNETES_SERVICE_HOST and "
            "KUBERNETES_SERVICE_PORT are not set",
            "give --kubeconfig FILE, set KUBECONFIG, or follow files with -f");
    }
    ClusterAccess access{.origin = "in-cluster"};
    const std::string url = is_ipv6(host) ? '[' + host + "]:" + port : host + ':' + port;
    if (const auto parsed = parse_server_url(url, access); !parsed) {
        return input("KUBERNETES_SERVICE_HOST and _PORT: \"" + url + "\" " + parsed.error(),
                     "they are set by kubelet; set them to where the API server answers");
    }
    access.ca.path = account_dir + "/ca.crt";
    access.token.path = account_dir + "/token";
    for (const TextSource* source : {&access.token, &access.ca}) {
        if (const auto text = read_text(*source, "the service account"); !text) {
            return input(text.error().message,
                         "let the pod mount its token: automountServiceAccountToken: true");
        }
    }
    return access;
}

Sourced<ClusterAccess> find_access(const AccessOptions& options, const Environment& environment) {
    if (!options.kubeconfig.empty()) {
        return read_kube_config({options.kubeconfig}, options.context);
    }
    if (const auto list = environment("KUBECONFIG"); list && !list->empty()) {
        std::vector<std::string> paths;
        for (std::size_t at = 0; at <= list->size();) {
            const std::size_t end = std::min(list->find(':', at), list->size());
            if (end > at) paths.push_back(list->substr(at, end - at));
            at = end + 1;
        }
        if (!paths.empty()) return read_kube_config(paths, options.context);
    }
    if (!options.context.empty()) {
        return input("--context \"" + options.context + "\" without a kubeconfig",
                     "give --kubeconfig FILE or set KUBECONFIG");
    }
    return in_cluster_access(options.account_dir, environment);
}

}  // namespace podfence
