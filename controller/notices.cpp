#include "controller/notices.hpp"

#include <algorithm>
#include <utility>

#include <boost/json.hpp>

#include "controller/names.hpp"
#include "controller/text_safety.hpp"
#include "controller/timestamp.hpp"
#include "nft/error.hpp"

namespace podfence {

namespace {

namespace json = boost::json;

/// Names end at 253 bytes; the hash and a dot stand behind the policy's.
constexpr std::size_t kPolicyNameBytes = 200;
/// What events.k8s.io allows for the same field.
constexpr std::size_t kMessageBytesMax = 1000;
constexpr std::chrono::seconds kRetryAfterMax{600};

/// A namespace that is being deleted takes nothing more, which is no lack of permission.
bool is_ending(const ApiRefusal& refusal) {
    return refusal.message.find("being terminated") != std::string::npos;
}

}  // namespace

std::string event_name(const Notice& notice) {
    std::string name = notice.policy.name.substr(0, kPolicyNameBytes);
    while (name.ends_with('.') || name.ends_with('-')) name.pop_back();
    return name + '.' + NameHash().add(notice.uid).add(notice.key).text();
}

NoticeQueue::NoticeQueue(Options options)
    : options_(std::move(options)), backoff_(options_.backoff, options_.seed) {}

void NoticeQueue::add(Time now, Notice notice) {
    if (given_up_ || notice.uid.empty()) return;
    if (is_said(notice)) return;
    withdraw(notice.policy);
    if (waiting_.size() >= kWaitingMax || said_.size() >= kRememberedMax) return;
    if (waiting_.empty() && backoff_.failures() == 0) {
        not_before_ = now + backoff_.between(Backoff::Duration::zero(), options_.spread);
    }
    said_.emplace(notice.policy, event_name(notice));
    waiting_.push_back(std::move(notice));
}

void NoticeQueue::withdraw(const ObjectName& policy) {
    if (said_.erase(policy) == 0) return;
    std::erase_if(waiting_, [&](const Notice& notice) { return notice.policy == policy; });
}

std::optional<NoticeQueue::Time> NoticeQueue::due() const {
    return waiting_.empty() ? std::nullopt : std::optional(not_before_);
}

bool NoticeQueue::is_said(const Notice& notice) const {
    const auto said = said_.find(notice.policy);
    return said != said_.end() && said->second == event_name(notice);
}

NoticeQueue::Post NoticeQueue::next(Wall now) {
    PODFENCE_CHECK(!waiting_.empty() && !posted_);
    posted_ = std::move(waiting_.front());
    waiting_.pop_front();
    const Notice& notice = *posted_;
    const std::string time =
        timestamp_s(std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count());
    const json::object policy{{"apiVersion", "networking.k8s.io/v1"},
                              {"kind", to_string(Kind::policy)},
                              {"namespace", notice.policy.ns},
                              {"name", notice.policy.name},
                              {"uid", notice.uid}};
    json::object source;
    source["component"] = "podfence";
    const json::object event{
        {"apiVersion", "v1"},
        {"kind", "Event"},
        {"metadata", {{"namespace", notice.policy.ns}, {"name", event_name(notice)}}},
        {"involvedObject", policy},
        {"type", "Warning"},
        {"reason", "NotEnforced"},
        {"message", as_utf8(shortened(notice.text, kMessageBytesMax))},
        {"count", 1},
        {"firstTimestamp", time},
        {"lastTimestamp", time},
        {"source", std::move(source)},
        {"reportingComponent", "podfence"},
        {"reportingInstance", options_.node}};
    return {.target = "/api/v1/namespaces/" + notice.policy.ns + "/events",
            .body = json::serialize(event)};
}

std::optional<Trouble> NoticeQueue::answered(Time now, unsigned code, const ApiRefusal& refusal) {
    constexpr unsigned kConflict = 409;
    if (code == 429 || code >= 500) {
        failed(now, std::clamp(refusal.retry_after.value_or(std::chrono::seconds(0)),
                               std::chrono::seconds(0), kRetryAfterMax));
        return std::nullopt;
    }
    posted_.reset();
    if ((code >= 200 && code < 300) || code == kConflict || code == 404 || is_ending(refusal)) {
        backoff_.succeeded();
        return std::nullopt;
    }
    const std::string answer =
        std::to_string(code) + (refusal.message.empty() ? "" : ": " + refusal.message);
    // It would be no other for the next one.
    given_up_ = true;
    waiting_.clear();
    said_.clear();
    if (code == 403) {
        return Trouble{
            .cause = Trouble::Cause::forbidden,
            .message = "may not create events (" + answer + ")",
            .remedy =
                "grant create on resource \"events\" of API group \"\" in all namespaces "
                "to this account by a ClusterRole, and restart the agent"};
    }
    return Trouble{.cause = Trouble::Cause::protocol,
                   .message = "unexpected answer to create events (" + answer + ")",
                   .remedy = "problems of policies are in the log and in the agent's status only"};
}

void NoticeQueue::failed(Time now, Backoff::Duration asked) {
    PODFENCE_CHECK(posted_);
    // Unless it was withdrawn meanwhile, or something else is to be said.
    if (is_said(*posted_)) waiting_.push_front(std::move(*posted_));
    posted_.reset();
    not_before_ = now + backoff_.failed(asked);
}

}  // namespace podfence
