#include "controller/reflector.hpp"

#include <algorithm>
#include <utility>

#include "controller/api_refusal.hpp"

namespace podfence {

namespace {

using namespace std::chrono_literals;

/// Objects a page. client-go's number; a page is read in one piece by the server.
constexpr std::size_t kPageSize = 500;
/// The server ends a watch after this long, so that long-lived ones spread over its replicas.
constexpr Reflector::Duration kWatchMin = 300s;
constexpr Reflector::Duration kWatchMax = 600s;
/// A watch that lasted this long was a success, even if nothing happened.
constexpr auto kWatchProven = 5s;
/// Attempts to reach a server that is down cost it nothing, and its return should be seen soon.
constexpr Reflector::Duration kUnreachableMax = 10s;
/// Longer requests to wait are not believed.
constexpr std::chrono::seconds kRetryAfterMax = 120s;
/// A first failure is most often a server's restart or a closed idle connection, and over at once.
constexpr unsigned kFailuresTold = 2;
/// What is normal now and then is trouble when it goes on.
constexpr unsigned kNormalTold = 4;
/// Initial watches in a row that end before all was told, before lists are tried.
constexpr unsigned kUnfinishedMax = 2;
/// Of an answer that refuses.
constexpr std::size_t kRefusalBytes = std::size_t{64} << 10;

/// Everything but what RFC 3986 calls unreserved is escaped.
std::string escaped(std::string_view text) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            out += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out += {'%', kHex[byte >> 4], kHex[byte & 0xf]};
        }
    }
    return out;
}

HashKey hash_key(std::uint64_t seed) {
    std::mt19937_64 engine(seed);
    return {engine(), engine()};
}

/// What neither goes away by itself nor is a moment's failure.
bool needs_a_person(Trouble::Cause cause) {
    return cause == Trouble::Cause::untrusted || cause == Trouble::Cause::credentials ||
           cause == Trouble::Cause::forbidden;
}

}  // namespace

Reflector::Reflector(Kind kind, Sink& sink, Options options)
    : kind_(kind),
      sink_(sink),
      options_(std::move(options)),
      backoff_(options_.backoff, options_.seed),
      key_(hash_key(options_.seed)),
      known_(key_) {
    start_list();
}

void Reflector::start_list() {
    mode_ = options_.watch_list ? Mode::watch_list : Mode::list;
    continue_.clear();
    paged_ = true;
}

std::variant<Reflector::Ask, Reflector::Wait> Reflector::next(Time now) {
    stream_.reset();
    if (now < not_before_) {
        status_.state = KindStatus::State::waiting;
        status_.retry_at = not_before_;
        return Wait{not_before_};
    }
    code_ = 0;
    retry_after_.reset();
    refusal_.reset();
    refusal_text_.clear();
    heard_event_ = false;
    began_ = now;
    status_.state = mode_ == Mode::watch ? KindStatus::State::watching : KindStatus::State::listing;
    if (mode_ == Mode::list) {
        if (continue_.empty()) known_.begin_list();
        return Ask{.target = list_target()};
    }
    if (mode_ == Mode::watch_list) known_.begin_list();
    return Ask{.target = watch_target(), .watch = true};
}

std::string Reflector::list_target() const {
    std::string target =
        std::string(api_group_path(kind_)) + '/' + std::string(resource_name(kind_)) + '?';
    if (paged_) target += "limit=" + std::to_string(kPageSize) + '&';
    if (!continue_.empty()) {
        target += "continue=" + escaped(continue_) + '&';
    } else if (!version_.empty()) {
        // Never back in time, but from the server's memory.
        target += "resourceVersion=" + escaped(version_) + "&resourceVersionMatch=NotOlderThan&";
    }
    if (!options_.field_selector.empty()) {
        target += "fieldSelector=" + escaped(options_.field_selector) + '&';
    }
    target.pop_back();
    return target;
}

std::string Reflector::watch_target() {
    std::string target = std::string(api_group_path(kind_)) + '/' +
                         std::string(resource_name(kind_)) +
                         "?watch=true&allowWatchBookmarks=true&timeoutSeconds=";
    const auto lasting = backoff_.between(kWatchMin, kWatchMax);
    target += std::to_string(std::chrono::duration_cast<std::chrono::seconds>(lasting).count());
    target += "&resourceVersion=" + escaped(version_);
    if (mode_ == Mode::watch_list) {
        target += "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    }
    if (!options_.field_selector.empty()) {
        target += "&fieldSelector=" + escaped(options_.field_selector);
    }
    return target;
}

void Reflector::respond(Time now, unsigned code, std::optional<std::chrono::seconds> retry_after) {
    status_.heard = now;
    code_ = code;
    retry_after_ = retry_after;
    if (code != kOk) return;
    if (mode_ == Mode::list) {
        stream_ = std::make_unique<ApiStream>(
            [this](const ApiObject& object) { take_object(object); }, Field::of_answer(kind_));
        return;
    }
    stream_ = std::make_unique<ApiStream>(
        [this](const ApiEvent& event) { return take_event(event); }, Field::of_event(kind_));
    ++status_.watches;
    if (mode_ == Mode::watch) heal();
}

bool Reflector::feed(Time now, std::string_view bytes) {
    status_.heard = now;
    if (!stream_) {
        refusal_text_ += bytes.substr(0, kRefusalBytes - refusal_text_.size());
        if (refusal_text_.size() < kRefusalBytes) return true;
        refuse(now, code_, read_refusal(refusal_text_));
    } else if (stream_->feed(bytes)) {
        return true;
    } else if (!stream_->error().empty()) {
        fail(now, garbage("is no JSON of a Kubernetes API server: " + stream_->error()));
    } else if (refusal_) {
        refuse(now, refusal_->code, *refusal_);
    }
    // Otherwise enough was heard to ask in another way.
    return false;
}

void Reflector::finish(Time now) {
    status_.heard = now;
    if (!stream_) {
        refuse(now, code_, read_refusal(refusal_text_));
    } else if (!stream_->complete() || mode_ == Mode::watch_list) {
        fail(now, {.cause = Trouble::Cause::unreachable,
                   .message = "the API server's answer broke off"});
    } else if (mode_ == Mode::list) {
        finish_list(now);
    } else if (heard_event_ || now - began_ >= kWatchProven) {
        backoff_.succeeded();
        not_before_ = now;
    } else {
        retry(now, {}, Duration::max());
        if (backoff_.failures() < kNormalTold) return;
        tell({.cause = Trouble::Cause::server_error,
              .message = "the API server ends every watch at once"});
    }
}

void Reflector::fail(Time now, Trouble trouble) {
    const bool began = code_ == kOk;
    if (began && mode_ == Mode::watch && (heard_event_ || now - began_ >= kWatchProven)) {
        backoff_.succeeded();
    }
    if (began && mode_ == Mode::watch_list && ++unfinished_ >= kUnfinishedMax) mode_ = Mode::list;
    const bool absent = trouble.cause == Trouble::Cause::unreachable;
    retry(now, {}, absent ? kUnreachableMax : Duration::max());
    if (needs_a_person(trouble.cause) || !status_.listed || backoff_.failures() >= kFailuresTold) {
        tell(std::move(trouble));
    }
}

void Reflector::refuse(Time now, unsigned code, const ApiRefusal& refusal) {
    // Not offered: by the server (400, 422), or for want of an etcd that can do it (500).
    if ((code == 400 || code == 422 || code == 500) && mode_ == Mode::watch_list) {
        mode_ = Mode::list;
        not_before_ = now;
        return;
    }
    const std::string_view verb = mode_ == Mode::list ? "list" : "watch";
    const auto asked =
        std::clamp(refusal.retry_after.value_or(retry_after_.value_or(0s)), 0s, kRetryAfterMax);
    const bool expired = code == 410;
    if (mode_ == Mode::watch && heard_event_) backoff_.succeeded();
    retry(now, asked, Duration::max());
    if (expired || refusal.version_too_large) {
        forget_version(refusal.version_too_large);
        if (backoff_.failures() < kNormalTold) return;
    }
    Trouble trouble = trouble_of(kind_, verb, code, refusal);
    if (needs_a_person(trouble.cause) || !status_.listed || backoff_.failures() >= kFailuresTold) {
        tell(std::move(trouble));
    }
}

/// The server does not know the version that was asked for: any more, or (behind another, or set
/// back from a backup) not yet.
void Reflector::forget_version(bool too_large) {
    if (mode_ == Mode::list && !continue_.empty()) {
        // The pages took too long. In one piece the list cannot expire, and it is read as it comes.
        continue_.clear();
        paged_ = false;
        return;
    }
    if (mode_ != Mode::watch || too_large) version_.clear();
    const bool paged = paged_;
    start_list();
    paged_ = paged;
}

bool Reflector::take_event(const ApiEvent& event) {
    const Node& tree = event.object.tree;
    switch (event.type) {
        case ApiEvent::Type::unknown:
            return true;
        case ApiEvent::Type::error:
            refusal_ = decode_refusal(tree);
            if (refusal_->message.empty()) refusal_->message = "ERROR event";
            return false;
        case ApiEvent::Type::bookmark:
            return take_bookmark(tree);
        case ApiEvent::Type::added:
        case ApiEvent::Type::modified:
        case ApiEvent::Type::deleted:
            break;
    }
    std::string version = resource_version_of(tree);
    if (event.type == ApiEvent::Type::deleted) {
        remove(name_of(tree));
    } else {
        take_object(event.object);
    }
    heard_event_ = true;
    // Initial events come in no order of versions.
    if (mode_ == Mode::watch && !version.empty()) version_ = std::move(version);
    return true;
}

bool Reflector::take_bookmark(const Node& bookmark) {
    std::string version = resource_version_of(bookmark);
    if (mode_ == Mode::watch_list) {
        if (!ends_initial_events(bookmark)) {
            // The server has overlooked sendInitialEvents, and will never say that all was told.
            mode_ = Mode::list;
            return false;
        }
        complete_list(std::move(version));
        status_.state = KindStatus::State::watching;
        return true;
    }
    if (!version.empty()) version_ = std::move(version);
    heard_event_ = true;
    return true;
}

void Reflector::take_object(const ApiObject& object) {
    const ObjectName name = name_of(object.tree);
    const std::uint64_t print = fingerprint(object.tree, key_);
    if (name.name.empty() || !known_.note(name, print)) {
        ++status_.ignored;
        return;
    }
    auto decoded = decode_api_object(kind_, object);
    if (!decoded) {
        known_.forget(name);
        ++status_.ignored;
        return;
    }
    ++status_.events;
    sink_.put(std::move(decoded->object), std::move(decoded->problems));
}

void Reflector::remove(const ObjectName& name) {
    if (!known_.forget(name)) {
        ++status_.ignored;
        return;
    }
    ++status_.events;
    sink_.remove(kind_, name);
}

void Reflector::finish_list(Time now) {
    const Node& root = stream_->root();
    const Node* metadata = root.get("metadata");
    std::string version = resource_version_of(root);
    // Whatever else came with 200 must not be taken for an empty cluster.
    if (root.string_at("kind") != std::string(to_string(kind_)) + "List" ||
        root.find("items") == nullptr || version.empty()) {
        fail(now, garbage("is no list of " + std::string(resource_name(kind_))));
        return;
    }
    not_before_ = now;
    // The first page is what all are of; a watch from there sees all that came later.
    if (continue_.empty()) list_version_ = std::move(version);
    continue_ = metadata->string_at("continue");
    if (!continue_.empty()) return;
    complete_list(std::move(list_version_));
}

void Reflector::complete_list(std::string version) {
    for (const ObjectName& name : known_.sweep()) {
        ++status_.events;
        sink_.remove(kind_, name);
    }
    version_ = std::move(version);
    mode_ = Mode::watch;
    paged_ = true;
    unfinished_ = 0;
    heard_event_ = false;  // Only what comes now proves that watching works.
    heal();
    status_.listed = true;
    ++status_.lists;
    sink_.listed(kind_);
}

void Reflector::retry(Time now, Duration asked, Duration max) {
    ++status_.failures;
    not_before_ = now + backoff_.failed(asked, max);
}

void Reflector::tell(Trouble trouble) {
    if (status_.trouble == trouble) return;
    status_.trouble = std::move(trouble);
    sink_.trouble(kind_, *status_.trouble);
}

void Reflector::heal() {
    if (!std::exchange(status_.trouble, std::nullopt)) return;
    sink_.recovered(kind_);
}

KindStatus Reflector::status() const {
    KindStatus status = status_;
    status.objects = known_.size();
    status.resource_version = version_;
    return status;
}

Trouble Reflector::garbage(const std::string& what) const {
    return {.cause = Trouble::Cause::protocol,
            .message = "the answer for " + std::string(resource_name(kind_)) + ' ' + what,
            .remedy = "check that the server's URL is that of a Kubernetes API server"};
}

}  // namespace podfence
