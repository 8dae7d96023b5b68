#include "cmd/cni/invocation.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

#include <boost/json/array.hpp>

#include "cmd/agent_client.hpp"

namespace podfence::cni {

namespace {

namespace json = boost::json;

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

CniError bad_environment(std::string details) {
    return {Code::invalid_environment, "an environment variable is missing or wrong",
            std::move(details)};
}

CniError bad_config(std::string details) {
    return {Code::invalid_config, "the network configuration is wrong", std::move(details)};
}

const json::value* member(const json::value& value, std::string_view name) {
    const auto* object = value.if_object();
    return object == nullptr ? nullptr : object->if_contains(name);
}

/// nullopt: it is not there, or no string.
std::optional<std::string> text_of(const json::value& value, std::string_view name) {
    const json::value* found = member(value, name);
    const auto* text = found == nullptr ? nullptr : found->if_string();
    if (text == nullptr) return std::nullopt;
    return std::string(text->data(), text->size());
}

bool is_supported(std::string_view version) {
    return std::find(kVersions.begin(), kVersions.end(), version) != kVersions.end();
}

/// "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=db": what the runtime says of the pod. The
/// rest is for others.
Result<void> take_args(std::string_view args, Invocation& invocation) {
    while (!args.empty()) {
        const std::string_view pair = args.substr(0, args.find(';'));
        args.remove_prefix(std::min(pair.size() + 1, args.size()));
        const std::size_t equals = pair.find('=');
        if (equals == std::string_view::npos) {
            return bad_environment("CNI_ARGS holds '" + std::string(pair) + "', not NAME=VALUE");
        }
        const std::string_view name = pair.substr(0, equals);
        const std::string value(pair.substr(equals + 1));
        if (name == "K8S_POD_NAMESPACE") invocation.pod.ns = value;
        if (name == "K8S_POD_NAME") invocation.pod.name = value;
        if (name == "K8S_POD_UID") invocation.uid = value;
    }
    return {};
}

Result<void> take_environment(const Environment& environment, Invocation& invocation) {
    const std::string& command = environment.command;
    invocation.command = command;
    if (command == "GC" || command == "STATUS") return {};
    if (!is_container_id(environment.container)) {
        return bad_environment("CNI_CONTAINERID is '" + environment.container +
                               "', which is no container's ID");
    }
    if (!is_interface_name(environment.interface)) {
        return bad_environment("CNI_IFNAME is '" + environment.interface +
                               "', which is no name of a link");
    }
    if (command != "DEL" && environment.netns.empty()) {
        return bad_environment("CNI_NETNS is missing");
    }
    invocation.key.container = environment.container;
    invocation.key.interface = environment.interface;
    invocation.netns = environment.netns;
    return take_args(environment.args, invocation);
}

Result<void> take_choices(const json::value& input, Invocation& invocation) {
    if (const json::value* choice = member(input, "onAgentMissing")) {
        if (*choice == "wait") {
            invocation.on_agent_missing = OnAgentMissing::wait;
        } else if (*choice == "allow") {
            invocation.on_agent_missing = OnAgentMissing::allow;
        } else if (*choice == "deny") {
            invocation.on_agent_missing = OnAgentMissing::deny;
        } else {
            return bad_config("onAgentMissing is wait, allow or deny");
        }
    }
    if (const json::value* timeout = member(input, "timeout")) {
        boost::system::error_code error;
        const auto seconds = timeout->to_number<double>(error);
        const double most = std::chrono::duration<double>(Invocation::kTimeoutMax).count();
        if (error || !std::isfinite(seconds) || seconds < 0 || seconds > most) {
            return bad_config("timeout is a number of seconds, at most 180");
        }
        invocation.timeout = std::chrono::milliseconds(std::llround(seconds * 1000));
    }
    invocation.socket = cmd::kAgentSocket;
    if (member(input, "socket") != nullptr) {
        invocation.socket = text_of(input, "socket").value_or("");
        if (!invocation.socket.starts_with('/')) {
            return bad_config("socket is the path of the agent's socket, from the root");
        }
    }
    return {};
}

/// Whether the interface with this index is on the node's side.
bool is_host_side(const json::array& interfaces, const json::value& index) {
    boost::system::error_code error;
    const auto number = index.to_number<std::size_t>(error);
    if (error || number >= interfaces.size()) return false;
    return text_of(interfaces[number], "sandbox").value_or("").empty();
}

}  // namespace

void throw_exception_from_error(const CniError& error, const boost::source_location& where) {
    (void)std::fprintf(stderr, "podfence-cni: unhandled error: %s: %s (%s:%u)\n", error.msg.c_str(),
                       error.details.c_str(), where.file_name(),
                       static_cast<unsigned>(where.line()));
    std::abort();
}

Environment Environment::of_process() {
    return {.command = variable("CNI_COMMAND"),
            .container = variable("CNI_CONTAINERID"),
            .netns = variable("CNI_NETNS"),
            .interface = variable("CNI_IFNAME"),
            .args = variable("CNI_ARGS")};
}

std::string version_of(const json::value& input) {
    auto version = text_of(input, "cniVersion");
    return version && is_supported(*version) ? *std::move(version) : std::string(kVersions.back());
}

Result<Invocation> understand(const Environment& environment, const json::value& input) {
    Invocation invocation;
    if (const auto taken = take_environment(environment, invocation); !taken) return taken.error();
    if (!input.is_object()) {
        return CniError{Code::no_json, "the network configuration is no JSON object", {}};
    }
    // Without one it is 0.1.0, by the specification.
    invocation.version = text_of(input, "cniVersion").value_or("0.1.0");
    if (!is_supported(invocation.version)) {
        std::string all;
        for (const auto version : kVersions) all += " " + std::string(version);
        return CniError{Code::incompatible_version, "incompatible CNI version",
                        "the configuration says " + invocation.version + ", supported are" + all};
    }
    invocation.key.network = text_of(input, "name").value_or("");
    if (!is_network_name(invocation.key.network)) {
        return bad_config("the network's name is missing or none");
    }
    if (const auto taken = take_choices(input, invocation); !taken) return taken.error();
    if (const json::value* result = member(input, "prevResult")) invocation.prev_result = *result;
    if (const json::value* valid = member(input, "cni.dev/valid-attachments")) {
        invocation.valid_attachments = *valid;
    }
    return invocation;
}

Result<Attachment> attachment_of(const Invocation& invocation) {
    using std::chrono::system_clock;
    Attachment attachment{.key = invocation.key,
                          .pod = invocation.pod,
                          .uid = invocation.uid,
                          .netns = invocation.netns,
                          .since_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                          system_clock::now().time_since_epoch())
                                          .count()};
    const json::array none;
    const json::value* listed = member(invocation.prev_result, "interfaces");
    const json::array& interfaces =
        listed != nullptr && listed->is_array() ? listed->get_array() : none;
    for (const json::value& link : interfaces) {
        const auto name = text_of(link, "name");
        const bool host_side = text_of(link, "sandbox").value_or("").empty();
        if (name && host_side) attachment.host_interfaces.push_back(*name);
    }
    listed = member(invocation.prev_result, "ips");
    const json::array& ips = listed != nullptr && listed->is_array() ? listed->get_array() : none;
    for (const json::value& ip : ips) {
        const json::value* index = member(ip, "interface");
        if (index != nullptr && is_host_side(interfaces, *index)) continue;
        const std::string text = text_of(ip, "address").value_or("");
        const auto address = Address::parse(text.substr(0, text.find('/')));
        if (!address) return bad_config("prevResult has the address '" + text + "'");
        attachment.addresses.push_back(*address);
    }
    return attachment;
}

}  // namespace podfence::cni
