#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "controller/agent_view.hpp"
#include "controller/attached_pods.hpp"
#include "controller/attachment_store.hpp"
#include "controller/http_server.hpp"
#include "controller/link_guard.hpp"
#include "controller/log.hpp"
#include "controller/reconciler.hpp"

namespace podfence {

/// What the CNI plugin tells the agent and asks of it, on the unix socket, in JSON:
///   POST /v1/cni/add?timeout_ms=N[&patient=no]  an attachment (controller/attachment.hpp).
///   Answered
///                             when the rules for it are in the kernel, or when there is no time
///                             left; "patient=no": also at once if the agent never was in sync.
///   POST /v1/cni/check        the same attachment, answered at once
///   POST /v1/cni/del          an attachment's key
///   POST /v1/cni/gc           {"network": NAME, "valid": [keys]}
///   GET  /v1/cni/status       whether add would be answered
/// Answers are {"state": STATE, "reason": TEXT}; the reason is for people. States:
///   enforced  the kernel holds the rules of this pod, for these addresses and its interface
///   held      it holds some that deny everything: the API server has not told of the pod yet
///   waiting   it does not hold them
///   absent    of check: nobody told of this attachment
///   done      of del and gc
///   ready     of status; or else waiting
class CniApi {
  public:
    /// API server and kubelet hear of a pod at the same time, and a sandbox takes longer than a
    /// watch. One that is not known by then may not be for long, as a static pod: its start need
    /// not wait, since it is isolated.
    static constexpr std::chrono::milliseconds kUnknownMax{1000};
    static constexpr std::chrono::milliseconds kTimeMax{240'000};

    /// Nothing is owned. `view` says why something takes its time.
    CniApi(AttachedPods& pods, const Reconciler& reconciler, const AgentView& view)
        : pods_(pods), reconciler_(reconciler), view_(view) {}

    /// Who is to be told of interfaces, and waited for; not owned. Nobody until then.
    void guard_by(LinkGuard& guard) { guard_ = &guard; }
    /// Answers of add wait; they are to be asked again whenever reconciler or guard have done
    /// something.
    HttpResponse answer(const HttpRequest& request);
    /// What was told before this agent was there.
    void recall(const AttachmentStore& store, Log& log);

  private:
    HttpResponse add(const HttpRequest& request);
    HttpResponse check(const HttpRequest& request) const;
    HttpResponse del(const HttpRequest& request);
    HttpResponse gc(const HttpRequest& request);
    HttpResponse status() const;
    /// The kernel holds what is known by now; else why not, in words.
    std::optional<std::string> not_held() const;

    AttachedPods& pods_;
    const Reconciler& reconciler_;
    const AgentView& view_;
    LinkGuard* guard_ = nullptr;
};

}  // namespace podfence
