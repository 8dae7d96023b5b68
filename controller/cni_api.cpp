#include "controller/cni_api.hpp"

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <boost/json.hpp>

namespace podfence {

namespace {

namespace json = boost::json;
using Steady = std::chrono::steady_clock;

constexpr const char* kJson = "application/json";

std::string answer_text(std::string_view state, std::string_view reason) {
    return json::serialize(json::object{{"state", state}, {"reason", reason}}) + "\n";
}

HttpResponse stated(std::string_view state, std::string_view reason = {}) {
    return {.type = kJson, .body = answer_text(state, reason)};
}

HttpResponse refused(const std::string& problem) {
    return {.status = 400, .body = problem + "\n"};
}

std::string not_told(const Attachment& attachment) {
    return "the API server has not told of pod " + to_string(attachment.pod) +
           " yet, it is isolated until then";
}

/// The answer to add, once the kernel holds what it is about.
class WhenEnforced final : public HttpBody {
  public:
    /// What is waited for; nothing is owned.
    struct Whom {
        const AttachedPods& pods;
        const Reconciler& reconciler;
        const AgentView& view;
        const LinkGuard* guard = nullptr;  ///< Null: nobody proves sources.
    };

    WhenEnforced(const Whom& whom, Attachment attachment, Steady::time_point until)
        : pods_(whom.pods),
          reconciler_(whom.reconciler),
          view_(whom.view),
          guard_(whom.guard),
          attachment_(std::move(attachment)),
          revision_(whom.reconciler.revision()),
          told_(guard_ == nullptr ? 0 : guard_->revision()),
          until_(until),
          unknown_until_(std::min(until, Steady::now() + CniApi::kUnknownMax)) {}

    Next next(std::string& out) override {
        const auto now = Steady::now();
        const auto state = pods_.state(attachment_.key);
        const bool known = state == AttachedPods::State::known;
        if (known && !std::exchange(known_, true)) revision_ = reconciler_.revision();
        const bool guarded = guard_ == nullptr || guard_->holds(told_);
        const bool holds = guarded && reconciler_.holds(revision_);
        if (state == AttachedPods::State::none) {
            out = answer_text("absent", "it was told meanwhile that this pod is gone");
        } else if (holds && known) {
            out = answer_text("enforced", "");
        } else if (holds && now >= unknown_until_) {
            out = answer_text("held", not_told(attachment_));
        } else if (now >= until_) {
            out = answer_text("waiting", reconciler_.holds(revision_) ? guard_->trouble()
                                                                      : view_.status().summary());
        } else {
            wake_at_ = holds ? unknown_until_ : until_;
            return Next::wait;
        }
        return Next::end;
    }
    std::optional<Steady::time_point> wake_at() const override { return wake_at_; }

  private:
    const AttachedPods& pods_;
    const Reconciler& reconciler_;
    const AgentView& view_;
    const LinkGuard* guard_;
    Attachment attachment_;
    std::uint64_t revision_;  ///< Of the reconciler, that has to be in the kernel.
    std::uint64_t told_;      ///< Of the guard, likewise.
    bool known_ = false;
    Steady::time_point until_;
    Steady::time_point unknown_until_;
    Steady::time_point wake_at_{};
};

std::optional<std::chrono::milliseconds> milliseconds(std::string_view text) {
    std::int64_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() ||
        number < 0) {
        return std::nullopt;
    }
    return std::min(CniApi::kTimeMax, std::chrono::milliseconds(number));
}

}  // namespace

HttpResponse CniApi::answer(const HttpRequest& request) {
    if (request.path == "/v1/cni/status") return status();
    if (!request.post) return {.status = 405, .body = "only POST is answered here\n"};
    if (request.path == "/v1/cni/add") return add(request);
    if (request.path == "/v1/cni/check") return check(request);
    if (request.path == "/v1/cni/del") return del(request);
    if (request.path == "/v1/cni/gc") return gc(request);
    return {.status = 404,
            .body = "no such path; there are /v1/cni/add, check, del, gc and status\n"};
}

void CniApi::recall(const AttachmentStore& store, Log& log) {
    auto contents = store.load();
    for (const std::string& problem : contents.problems) {
        log.warning("cannot recall all that the CNI plugin told before", {{"problem", problem}});
    }
    for (Attachment& attachment : contents.attachments) {
        if (guard_ != nullptr) guard_->told(attachment);
        pods_.attach(std::move(attachment));
    }
    if (contents.attachments.empty()) return;
    log.info("recalled what the CNI plugin told before",
             {{"pods", std::uint64_t{contents.attachments.size()}}});
}

HttpResponse CniApi::add(const HttpRequest& request) {
    const auto time = milliseconds(request.argument("timeout_ms"));
    if (!time) return refused("timeout_ms is a number of milliseconds");
    std::string problem;
    boost::system::error_code error;
    auto attachment = decode_attachment(json::parse(request.body, error), problem);
    if (!attachment) return refused(error ? error.message() : problem);
    if (!pods_.attach(*attachment)) return refused("there are too many attachments already");
    if (guard_ != nullptr) guard_->told(*attachment);
    const bool patient = request.argument("patient") != "no";
    if (!patient && !reconciler_.ever_synced()) return stated("waiting", view_.status().summary());
    return {.type = kJson,
            .stream = std::make_unique<WhenEnforced>(
                WhenEnforced::Whom{pods_, reconciler_, view_, guard_}, *std::move(attachment),
                Steady::now() + *time)};
}

HttpResponse CniApi::check(const HttpRequest& request) const {
    std::string problem;
    boost::system::error_code error;
    const auto attachment = decode_attachment(json::parse(request.body, error), problem);
    if (!attachment) return refused(error ? error.message() : problem);
    const auto known = pods_.attachments().find(attachment->key);
    if (known == pods_.attachments().end()) {
        return stated("absent", "the agent was not told of this attachment");
    }
    auto told = known->second.addresses;
    auto asked = attachment->addresses;
    std::ranges::sort(told);
    std::ranges::sort(asked);
    if (told != asked) return stated("absent", "the agent was told of other addresses");
    if (const auto why = not_held()) return stated("waiting", *why);
    if (pods_.state(attachment->key) == AttachedPods::State::known) return stated("enforced");
    return stated("held", not_told(*attachment));
}

std::optional<std::string> CniApi::not_held() const {
    if (!reconciler_.holds(reconciler_.revision())) return view_.status().summary();
    if (guard_ != nullptr && !guard_->holds(guard_->revision())) return guard_->trouble();
    return std::nullopt;
}

HttpResponse CniApi::del(const HttpRequest& request) {
    std::string problem;
    boost::system::error_code error;
    const auto key = decode_attachment_key(json::parse(request.body, error), problem);
    if (!key) return refused(error ? error.message() : problem);
    if (guard_ != nullptr) guard_->untold(*key);
    pods_.detach(*key);
    return stated("done");
}

HttpResponse CniApi::gc(const HttpRequest& request) {
    boost::system::error_code error;
    const json::value value = json::parse(request.body, error);
    const auto* object = value.if_object();
    const auto* network = object == nullptr ? nullptr : object->if_contains("network");
    const auto* valid = object == nullptr ? nullptr : object->if_contains("valid");
    if (network == nullptr || !network->is_string() || valid == nullptr || !valid->is_array()) {
        return refused("a network and the keys that are valid are asked for");
    }
    std::set<AttachmentKey> keys;
    for (const auto& item : valid->get_array()) {
        std::string problem;
        auto key = decode_attachment_key(item, problem);
        if (!key) return refused(problem);
        keys.insert(*std::move(key));
    }
    for (const auto& gone : pods_.keep_only(std::string(network->get_string()), keys)) {
        if (guard_ != nullptr) guard_->untold(gone);
    }
    return stated("done");
}

HttpResponse CniApi::status() const {
    if (reconciler_.ever_synced()) return stated("ready");
    return stated("waiting", view_.status().summary());
}

}  // namespace podfence
