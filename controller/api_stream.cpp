#include "controller/api_stream.hpp"

#include <algorithm>
#include <utility>

#include <boost/json/basic_parser_impl.hpp>

#include "controller/decode.hpp"
#include "controller/json_handler.hpp"
#include "controller/names.hpp"
#include "controller/report.hpp"
#include "controller/validate.hpp"

namespace podfence {

namespace {

namespace json = boost::json;

constexpr std::string_view kBlank = " \t\r\n";
constexpr std::string_view kInitialEventsEnd = "k8s.io/initial-events-end";
/// Where an event has its object.
constexpr std::string_view kObject = "object.";
/// Of what is no JSON.
constexpr std::size_t kShownBytes = 60;
/// Open maps and lists around the fields of an object: see TreeBuilder::Options::fields_at.
constexpr std::size_t kFieldsOfItem = 4;   // {"items": [{"spec": {
constexpr std::size_t kFieldsOfEvent = 3;  // {"object": {"spec": {

ApiEvent::Type event_type(std::string_view text) {
    if (text == "ADDED") return ApiEvent::Type::added;
    if (text == "MODIFIED") return ApiEvent::Type::modified;
    if (text == "DELETED") return ApiEvent::Type::deleted;
    if (text == "BOOKMARK") return ApiEvent::Type::bookmark;
    if (text == "ERROR") return ApiEvent::Type::error;
    return ApiEvent::Type::unknown;
}

Node take_member(Node& map, std::string_view key) {
    for (Node& member : map.children) {
        if (member.key == key) return std::move(member);
    }
    return {};
}

}  // namespace

class ApiStream::Impl {
  public:
    Impl(OnItem on_item, OnEvent on_event, const Field& fields)
        : on_item_(std::move(on_item)), on_event_(std::move(on_event)), fields_(fields) {
        parser_.handler().builder = &builder_;
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    bool feed(std::string_view bytes) {
        while (error_.empty() && !stopped_) {
            if (!begun_) {
                bytes.remove_prefix(std::min(bytes.find_first_not_of(kBlank), bytes.size()));
            }
            if (bytes.empty()) return true;
            if (ended_) return fail("there is more behind the end", bytes);
            begun_ = true;
            json::error_code ec;
            const std::size_t used = parser_.write_some(true, bytes.data(), bytes.size(), ec);
            if (ec) return fail(reason(ec), bytes.substr(used));
            bytes.remove_prefix(used);
            if (!parser_.done()) return true;
            end();
        }
        return false;
    }

    const std::string& error() const { return error_; }
    bool complete() const { return !begun_ && error_.empty(); }
    const Node& root() const { return root_; }

  private:
    TreeBuilder::Options options() const {
        return {.fields = &fields_, .fields_at = on_event_ ? kFieldsOfEvent : kFieldsOfItem};
    }

    void begin() {
        builder_.reset();
        parser_.reset();
        begun_ = false;
    }

    void item(Node node) {
        if (on_item_) on_item_({.tree = std::move(node), .cut = builder_.cut()});
    }

    void end() {
        root_ = builder_.take_root();
        if (!on_event_) {
            begun_ = false;
            ended_ = true;
            return;
        }
        std::string cut = builder_.cut();
        if (cut.starts_with(kObject)) cut.erase(0, kObject.size());
        ApiEvent event{.type = event_type(root_.string_at("type")),
                       .object = {.tree = take_member(root_, "object"), .cut = std::move(cut)}};
        root_ = {};
        begin();
        stopped_ = !on_event_(std::move(event));
    }

    std::string reason(const json::error_code& ec) const {
        if (!builder_.error().empty()) return builder_.error();
        return parser_.handler().too_long ? "one text is too long" : ec.message();
    }

    bool fail(const std::string& reason, std::string_view at) {
        error_ = reason + ", at " + quoted(at.substr(0, kShownBytes));
        return false;
    }

    OnItem on_item_{};
    OnEvent on_event_{};
    const Field& fields_;
    TreeBuilder builder_{[this](Node node) { item(std::move(node)); }, options()};
    json::basic_parser<JsonHandler> parser_{JsonHandler::parse_options()};
    Node root_{};
    std::string error_{};
    bool begun_ = false;  ///< A document has begun and not ended.
    bool ended_ = false;  ///< The one document of a list.
    bool stopped_ = false;
};

ApiStream::ApiStream(OnItem on_item, const Field& fields)
    : impl_(std::make_unique<Impl>(std::move(on_item), nullptr, fields)) {}
ApiStream::ApiStream(OnEvent on_event, const Field& fields)
    : impl_(std::make_unique<Impl>(nullptr, std::move(on_event), fields)) {}
ApiStream::~ApiStream() = default;
bool ApiStream::feed(std::string_view bytes) {
    return impl_->feed(bytes);
}
const std::string& ApiStream::error() const {
    return impl_->error();
}
bool ApiStream::complete() const {
    return impl_->complete();
}
const Node& ApiStream::root() const {
    return impl_->root();
}

std::string resource_version_of(const Node& object) {
    const Node* metadata = object.get("metadata");
    return metadata == nullptr ? "" : std::string(metadata->string_at("resourceVersion"));
}

bool ends_initial_events(const Node& bookmark) {
    const Node* metadata = bookmark.get("metadata");
    const Node* annotations = metadata == nullptr ? nullptr : metadata->get("annotations");
    return annotations != nullptr && annotations->string_at(kInitialEventsEnd) == "true";
}

ObjectName name_of(const Node& object) {
    const Node* metadata = object.get("metadata");
    if (metadata == nullptr) return {};
    const auto member = [&](std::string_view key, bool (*valid)(std::string_view)) {
        std::string text(metadata->string_at(key));
        if (text.empty() || valid(text)) return text;
        return make_name("invalid", NameHash().add(text), "");
    };
    return {.ns = member("namespace", is_dns_label), .name = member("name", is_dns_subdomain)};
}

std::optional<DecodedObject> decode_api_object(Kind kind, const ApiObject& object) {
    const Node& tree = object.tree;
    ProblemLog log;
    Report report(log, "", label_of(tree, to_string(kind), kind != Kind::ns, ""));
    const std::string ns;
    if (!object.cut.empty()) {
        report.error(0, object.cut,
                     "has more than " + std::to_string(limits::kObjectNodes) + " values or " +
                         std::to_string(limits::kObjectBytes >> 20) + " MiB",
                     kind == Kind::policy
                         ? "until it is smaller the policy isolates and its rules allow nothing"
                         : "what is beyond counts as missing");
    }
    std::optional<Object> decoded;
    // Labels may be among what is lost: it is not known which policies mean such a pod, and it, or
    // one of such a namespace, is nobody's peer.
    const bool unsure = object.cut.starts_with("metadata");
    if (kind == Kind::pod) {
        auto pod = decode_pod(tree, ns, report);
        if (pod && unsure) {
            pod->labels.edit().insert_or_assign(std::string(kUnsureLabel), kUnknown);
        }
        if (pod) decoded = std::move(*pod);
    } else if (kind == Kind::ns) {
        auto found = decode_namespace(tree, report);
        if (found && unsure) found->labels.emplace(kUnsureLabel, "");
        if (found) decoded = std::move(*found);
    } else {
        NetworkPolicy policy = decode_policy(tree, ns, object.cut.empty(), report);
        // It isolates whatever it is called.
        policy.name = name_of(tree);
        decoded = std::move(policy);
    }
    if (!decoded) return std::nullopt;
    return DecodedObject{.object = std::move(*decoded), .problems = log.take()};
}

}  // namespace podfence
