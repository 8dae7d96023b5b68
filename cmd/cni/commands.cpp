#include "cmd/cni/commands.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <set>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <poll.h>

#include "cmd/cni/agent_call.hpp"
#include "cmd/socket_watch.hpp"
#include "controller/attachment_store.hpp"

namespace podfence::cni {

namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

/// For what a synced agent answers at once, and which must not hold up the end of a pod.
constexpr milliseconds kPromptly{2'000};
/// Before an agent that hung up is asked again.
constexpr milliseconds kPause{100};

void say(const std::string& text) {
    (void)std::fprintf(stderr, "podfence-cni: %s\n", text.c_str());
}

std::string pod_of(const Invocation& invocation) {
    return invocation.pod.ns + "/" + invocation.pod.name;
}

/// Policies are about pods, and about one of their interfaces.
bool concerns_us(const Invocation& invocation) {
    return !invocation.pod.ns.empty() && !invocation.pod.name.empty() &&
           invocation.key.interface == kPodInterface;
}

Result<Attachment> chained_attachment(const Invocation& invocation) {
    if (!invocation.prev_result.is_object()) {
        return CniError{Code::invalid_config, "podfence-cni has to be the last of a chain",
                        "there is no prevResult: it makes no interfaces, others do"};
    }
    return attachment_of(invocation);
}

/// Asks until there is an answer or the time is over.
boost::system::result<Answer, NoAnswer> ask_to_enforce(const Invocation& invocation,
                                                       const Attachment& attachment) {
    const bool patient = invocation.on_agent_missing != OnAgentMissing::allow;
    const std::string body = json::serialize(encode(attachment));
    const auto until = Clock::now() + invocation.timeout;
    // Only of an agent that does not answer: to close a watch takes the kernel milliseconds, on a
    // busy node hundreds (fsnotify_destroy_group() waits for readers of its marks).
    bool watching = false;
    while (true) {
        // Before it is asked, so that none is missed that comes just after.
        std::optional<cmd::AgentResult<cmd::SocketWatch>> watch;
        if (watching) watch.emplace(cmd::SocketWatch::open(invocation.socket));
        const auto left = std::chrono::floor<milliseconds>(until - Clock::now());
        // It answers a little earlier than we give up, so that it can say why.
        const auto its_time = std::max(left - std::min(kPause, left / 10), milliseconds(0));
        auto answer = call_agent(invocation.socket,
                                 "/v1/cni/add?timeout_ms=" + std::to_string(its_time.count()) +
                                     (patient ? "" : "&patient=no"),
                                 body, until);
        if (answer || !patient || Clock::now() >= until) return answer;
        using Kind = NoAnswer::Kind;
        const Kind kind = answer.error().kind;
        if (kind != Kind::absent && kind != Kind::ended) return answer;
        if (!std::exchange(watching, true)) continue;
        const bool watched = watch->has_value();
        const auto again =
            kind == Kind::absent && watched ? until : std::min(until, Clock::now() + kPause);
        if (watched) {
            (*watch)->wait(again);
        } else {
            (void)::poll(nullptr, 0, static_cast<int>(kPause.count()));
        }
    }
}

json::value result_of(const Invocation& invocation) {
    json::value result = invocation.prev_result;
    result.get_object()["cniVersion"] = invocation.version;
    return result;
}

}  // namespace

Result<json::value> add(const Invocation& invocation) {
    const auto attachment = chained_attachment(invocation);
    if (!attachment) return attachment.error();
    if (!concerns_us(invocation)) return result_of(invocation);
    // An agent that comes later knows of the pod by this.
    if (const auto problem = AttachmentStore::beside(invocation.socket).save(*attachment)) {
        say("an agent that starts later does not know of pod " + pod_of(invocation) +
            " before the API server does: " + *problem);
    }
    const auto answer = ask_to_enforce(invocation, *attachment);
    if (answer && answer->state == "enforced") return result_of(invocation);
    if (answer && answer->state == "held") {
        say(answer->reason);
        return result_of(invocation);
    }
    const std::string reason = answer ? answer->reason : answer.error().message;
    if (invocation.on_agent_missing == OnAgentMissing::deny) {
        return CniError{Code::try_again_later, "the pod's network policies are not in force",
                        reason};
    }
    say("pod " + pod_of(invocation) +
        " starts before its network policies are in force: " + reason);
    return result_of(invocation);
}

Result<json::value> del(const Invocation& invocation) {
    if (const auto problem = AttachmentStore::beside(invocation.socket).remove(invocation.key)) {
        say(*problem);
    }
    const auto answer =
        call_agent(invocation.socket, "/v1/cni/del", json::serialize(encode(invocation.key)),
                   Clock::now() + kPromptly);
    if (!answer && answer.error().kind != NoAnswer::Kind::absent) say(answer.error().message);
    return json::value();
}

Result<json::value> check(const Invocation& invocation) {
    const auto attachment = chained_attachment(invocation);
    if (!attachment) return attachment.error();
    if (!concerns_us(invocation)) return json::value();
    const auto answer = call_agent(invocation.socket, "/v1/cni/check",
                                   json::serialize(encode(*attachment)), Clock::now() + kPromptly);
    if (answer && (answer->state == "enforced" || answer->state == "held")) return json::value();
    if (answer && answer->state == "absent") {
        return CniError{Code::not_enforced, "the pod's network policies are not in force",
                        answer->reason};
    }
    const std::string reason = answer ? answer->reason : answer.error().message;
    if (invocation.on_agent_missing == OnAgentMissing::deny) {
        return CniError{Code::try_again_later,
                        "it is not known whether the pod's network policies are in force", reason};
    }
    say(reason);
    return json::value();
}

Result<json::value> gc(const Invocation& invocation) {
    const auto* valid = invocation.valid_attachments.if_array();
    if (valid == nullptr) {
        return CniError{Code::invalid_config, "the network configuration is wrong",
                        "cni.dev/valid-attachments is missing"};
    }
    const std::string& network = invocation.key.network;
    std::set<AttachmentKey> keys;
    json::array told;
    for (const json::value& item : *valid) {
        const auto* object = item.if_object();
        const auto* container = object == nullptr ? nullptr : object->if_contains("containerID");
        const auto* interface = object == nullptr ? nullptr : object->if_contains("ifname");
        if (container == nullptr || interface == nullptr) continue;
        std::string problem;
        auto key = decode_attachment_key(
            {{"network", network}, {"container", *container}, {"interface", *interface}}, problem);
        if (!key) continue;  // None that we could have made.
        told.emplace_back(encode(*key));
        keys.insert(*std::move(key));
    }
    const auto store = AttachmentStore::beside(invocation.socket);
    std::string failed;
    for (const auto& attachment : store.load().attachments) {
        if (attachment.key.network != network || keys.contains(attachment.key)) continue;
        if (const auto problem = store.remove(attachment.key)) failed = *problem;
    }
    const auto answer =
        call_agent(invocation.socket, "/v1/cni/gc",
                   json::serialize(json::object{{"network", network}, {"valid", std::move(told)}}),
                   Clock::now() + kPromptly);
    if (!answer && answer.error().kind != NoAnswer::Kind::absent) say(answer.error().message);
    if (!failed.empty())
        return CniError{Code::io_failure, "cannot forget all that is gone", failed};
    return json::value();
}

Result<json::value> status(const Invocation& invocation) {
    // Otherwise pods start without an agent, and a node that says it is not ready for them would
    // be one that fails by our doing. Not code 51: whom the node has goes on as before.
    if (invocation.on_agent_missing != OnAgentMissing::deny) return json::value();
    const auto answer =
        call_agent(invocation.socket, "/v1/cni/status", "", Clock::now() + kPromptly);
    if (answer && answer->state == "ready") return json::value();
    return CniError{Code::not_available,
                    "pods would start before their network policies are in force",
                    answer ? answer->reason : answer.error().message};
}

json::value version(const json::value& input) {
    json::array versions;
    for (const auto version : kVersions) versions.emplace_back(version);
    return json::object{{"cniVersion", version_of(input)},
                        {"supportedVersions", std::move(versions)}};
}

}  // namespace podfence::cni
