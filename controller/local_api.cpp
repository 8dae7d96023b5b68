#include "controller/local_api.hpp"

#include <algorithm>
#include <charconv>
#include <type_traits>
#include <utility>

#include <boost/json.hpp>

#include "controller/encode_objects.hpp"
#include "controller/unsure_pods.hpp"

namespace podfence {

namespace {

using Steady = std::chrono::steady_clock;

constexpr const char* kJson = "application/json";
/// Of a streamed answer, about this much is made at a time.
constexpr std::size_t kPieceBytes = std::size_t{32} << 10;
/// All of a node's pods may be started at once, and each waits for its rules.
constexpr HttpServer::Limits kLocalLimits{.connections = 1024,
                                          .body_bytes = std::size_t{256} << 10};

std::string status_text(const AgentView& view) {
    return boost::json::serialize(to_json(view.status())) + "\n";
}

/// The status, once the agent is in sync or the time is over.
class StatusWhenSynced final : public HttpBody {
  public:
    StatusWhenSynced(const AgentView& view, Steady::time_point until)
        : view_(view), until_(until) {}

    Next next(std::string& out) override {
        const bool ready = view_.in_sync() && view_.unguarded().empty();
        if (!ready && Steady::now() < until_) return Next::wait;
        out += status_text(view_);
        return Next::end;
    }
    std::optional<Steady::time_point> wake_at() const override { return until_; }

  private:
    const AgentView& view_;
    Steady::time_point until_;
};

/// A line now and after each change, no faster than kWatchPause.
class StatusWatch final : public HttpBody {
  public:
    StatusWatch(const AgentView& view, const std::uint64_t& revision)
        : view_(view), revision_(revision) {}

    Next next(std::string& out) override {
        const auto now = Steady::now();
        if (told_ && *told_ == revision_) {
            due_.reset();
            return Next::wait;
        }
        if (told_ && now < not_before_) {
            due_ = not_before_;
            return Next::wait;
        }
        told_ = revision_;
        not_before_ = now + LocalApi::kWatchPause;
        due_.reset();
        out += status_text(view_);
        return Next::wait;
    }
    std::optional<Steady::time_point> wake_at() const override { return due_; }

  private:
    const AgentView& view_;
    const std::uint64_t& revision_;
    std::optional<std::uint64_t> told_{};
    Steady::time_point not_before_{};
    std::optional<Steady::time_point> due_{};
};

/// The cluster as a List. Events go on arriving while it is read: every object is as it was when
/// its turn came, like in answers of the API server to one list request a kind.
class ObjectList final : public HttpBody {
  public:
    explicit ObjectList(const AgentView& view) : view_(view) {}

    Next next(std::string& out) override {
        if (!begun_) {
            out += R"({"apiVersion":"v1","kind":"List","metadata":{},"items":[)";
            begun_ = true;
        }
        const Cluster& cluster = view_.cluster();
        if (take(out, cluster.namespaces(), ns_) && take(out, cluster.policies(), policy_) &&
            take(out, cluster.pods(), pod_)) {
            out += "\n]}\n";
            return Next::end;
        }
        return Next::more;
    }

  private:
    /// From behind the object told last, which may be gone by now. True: all of the map is told.
    template <class Map>
    bool take(std::string& out, const Map& map, std::optional<typename Map::key_type>& last) {
        for (auto entry = last ? map.upper_bound(*last) : map.begin(); entry != map.end();
             ++entry) {
            if (out.size() >= kPieceBytes) return false;
            if constexpr (std::is_same_v<typename Map::mapped_type, NetworkPolicy>) {
                if (is_stand_in(entry->first)) continue;  // Its pods bring it about.
            }
            out += first_ ? "\n" : ",\n";
            first_ = false;
            out += boost::json::serialize(encode(entry->second));
            last = entry->first;
        }
        return true;
    }

    const AgentView& view_;
    bool begun_ = false;
    bool first_ = true;
    std::optional<std::string> ns_{};
    std::optional<ObjectName> policy_{};
    std::optional<ObjectName> pod_{};
};

std::string names_of(const Cluster& cluster, std::string_view prefix) {
    std::string text;
    std::size_t count = 0;
    for (auto entry = cluster.namespaces().lower_bound(prefix);
         entry != cluster.namespaces().end() && entry->first.starts_with(prefix) &&
         count < LocalApi::kNamesMax;
         ++entry, ++count) {
        text += entry->first + "\n";
    }
    return text;
}

/// "shop/d" finds names in one namespace, "sh" all in the namespaces that begin so.
template <class Objects>
std::string names_of(const Objects& objects, std::string_view prefix) {
    const std::size_t slash = prefix.find('/');
    const ObjectName start{
        .ns = std::string(prefix.substr(0, slash)),
        .name = std::string(slash == std::string_view::npos ? std::string_view()
                                                            : prefix.substr(slash + 1))};
    std::string text;
    std::size_t count = 0;
    for (auto entry = objects.lower_bound(start);
         entry != objects.end() && count < LocalApi::kNamesMax; ++entry, ++count) {
        const std::string name = to_string(entry->first);
        if (!name.starts_with(prefix)) break;
        text += name + "\n";
    }
    return text;
}

HttpResponse not_found(const HttpRequest& request) {
    return {.status = 404,
            .body = request.local ? "no such path; there are /v1/status, /v1/status/watch, "
                                    "/v1/objects and /v1/names\n"
                                  : "no such path; there are /metrics, /healthz and /readyz\n"};
}

HttpResponse bad(std::string text) {
    return {.status = 400, .body = std::move(text) + "\n"};
}

}  // namespace

LocalApi::LocalApi(boost::asio::io_context& io, const AgentView& view, Metrics& metrics)
    : view_(view),
      metrics_(metrics),
      local_(
          io, [this](const HttpRequest& request) { return answer_local(request); }, kLocalLimits),
      tcp_(io, [this](const HttpRequest& request) { return answer_tcp(request); }) {}

void LocalApi::changed() {
    ++revision_;
    local_.wake();
}

void LocalApi::stop() {
    local_.stop();
    tcp_.stop();
}

HttpResponse LocalApi::answer_local(const HttpRequest& request) const {
    if (cni_ && request.path.starts_with("/v1/cni/")) return cni_(request);
    if (request.post) return {.status = 405, .body = "only GET is answered here\n"};
    if (request.path == "/v1/status") return status(request);
    if (request.path == "/v1/status/watch") {
        return {.type = "application/x-ndjson",
                .stream = std::make_unique<StatusWatch>(view_, revision_)};
    }
    if (request.path == "/v1/objects") {
        return {.type = kJson, .stream = std::make_unique<ObjectList>(view_)};
    }
    if (request.path == "/v1/names") return names(request);
    return not_found(request);
}

HttpResponse LocalApi::status(const HttpRequest& request) const {
    const std::string_view wait = request.argument("wait");
    if (wait.empty()) return {.type = kJson, .body = status_text(view_)};
    if (wait != "synced") return bad("wait knows only 'synced'");
    auto time = kWaitDefault;
    if (const std::string_view text = request.argument("timeout_ms"); !text.empty()) {
        std::int64_t given = 0;
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), given);
        if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || given < 0) {
            return bad("timeout_ms is a number of milliseconds");
        }
        time = std::min(kWaitMax, std::chrono::milliseconds(given));
    }
    return {.type = kJson,
            .stream = std::make_unique<StatusWhenSynced>(view_, Steady::now() + time)};
}

HttpResponse LocalApi::names(const HttpRequest& request) const {
    const std::string_view kind = request.argument("kind");
    const std::string_view prefix = request.argument("prefix");
    const Cluster& cluster = view_.cluster();
    if (kind == "pod") return {.body = names_of(cluster.pods(), prefix)};
    if (kind == "policy") return {.body = names_of(cluster.policies(), prefix)};
    if (kind == "namespace") return {.body = names_of(cluster, prefix)};
    return bad("kind is pod, policy or namespace");
}

HttpResponse LocalApi::answer_tcp(const HttpRequest& request) const {
    if (request.path == "/metrics") {
        return {.type = Metrics::kContentType, .body = metrics_.text(view_.status())};
    }
    // That this is answered says that the one thread goes round.
    if (request.path == "/healthz") return {.body = "ok\n"};
    if (request.path == "/readyz") return ready();
    return not_found(request);
}

HttpResponse LocalApi::ready() const {
    const CanaryRecord canary = view_.canary();
    std::string why = view_.in_sync() ? view_.unguarded() : view_.status().summary();
    if (why.empty() && canary.forbids_ready()) why = canary.summary();
    if (why.empty()) return {.body = "ok\n"};
    std::replace(why.begin(), why.end(), '\n', ' ');
    return {.status = 503, .body = why + "\n"};
}

}  // namespace podfence
