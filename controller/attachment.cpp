#include "controller/attachment.hpp"

#include <algorithm>
#include <utility>

#include <boost/json/array.hpp>

namespace podfence {

namespace {

namespace json = boost::json;

constexpr std::size_t kInterfaceBytesMax = 15;
/// What is said of one pod's interface fits on a page.
constexpr std::size_t kTextBytesMax = 4096;
constexpr std::size_t kListMax = 64;

bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// A letter or digit, then also '_', '.' and '-'.
bool is_cni_name(std::string_view text) {
    return !text.empty() && is_alnum(text.front()) &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

/// Takes the members of an object one by one; the first that is not as it must be says so.
class Reader {
  public:
    Reader(const json::value& value, std::string& problem)
        : object_(value.if_object()), problem_(problem) {
        if (object_ == nullptr) fail("it is no JSON object");
    }

    std::string text(std::string_view name) {
        const json::value* member = find(name);
        if (member == nullptr) return {};
        const auto* text = member->if_string();
        if (text == nullptr || text->size() > kTextBytesMax) {
            fail(std::string(name) + " is no string, or too long a one");
            return {};
        }
        return {text->data(), text->size()};
    }
    std::vector<std::string> texts(std::string_view name) {
        std::vector<std::string> list;
        const json::value* member = find(name);
        if (member == nullptr) return list;
        const auto* array = member->if_array();
        if (array == nullptr || array->size() > kListMax) {
            fail(std::string(name) + " is no list, or too long a one");
            return list;
        }
        for (const auto& item : *array) {
            const auto* text = item.if_string();
            if (text == nullptr) fail(std::string(name) + " holds what is no string");
            if (text != nullptr) list.emplace_back(text->data(), text->size());
        }
        return list;
    }
    std::int64_t number(std::string_view name) {
        const json::value* member = find(name);
        const auto* number = member == nullptr ? nullptr : member->if_int64();
        if (member != nullptr && number == nullptr) fail(std::string(name) + " is no number");
        return number == nullptr ? 0 : *number;
    }
    void fail(std::string why) {
        if (problem_.empty()) problem_ = std::move(why);
    }
    bool fine() const { return problem_.empty(); }

  private:
    const json::value* find(std::string_view name) const {
        return object_ == nullptr ? nullptr : object_->if_contains(name);
    }

    const json::object* object_;
    std::string& problem_;
};

AttachmentKey read_key(Reader& reader) {
    AttachmentKey key{.network = reader.text("network"),
                      .container = reader.text("container"),
                      .interface = reader.text("interface")};
    if (!is_network_name(key.network)) reader.fail("network is no name of a network");
    if (!is_container_id(key.container)) reader.fail("container is no container's ID");
    if (!is_interface_name(key.interface)) reader.fail("interface is no name of a link");
    return key;
}

}  // namespace

bool is_network_name(std::string_view text) {
    return is_cni_name(text);
}

bool is_container_id(std::string_view text) {
    return is_cni_name(text);
}

bool is_interface_name(std::string_view text) {
    return !text.empty() && text.size() <= kInterfaceBytesMax && text != "." && text != ".." &&
           std::none_of(text.begin(), text.end(), [](char c) {
               return c == '/' || c == ':' || c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
           });
}

json::object encode(const AttachmentKey& key) {
    return {{"network", key.network}, {"container", key.container}, {"interface", key.interface}};
}

json::object encode(const Attachment& attachment) {
    json::object object = encode(attachment.key);
    object["namespace"] = attachment.pod.ns;
    object["name"] = attachment.pod.name;
    object["uid"] = attachment.uid;
    object["netns"] = attachment.netns;
    auto& interfaces = object["host_interfaces"].emplace_array();
    for (const auto& name : attachment.host_interfaces) interfaces.emplace_back(name);
    auto& addresses = object["addresses"].emplace_array();
    for (const auto& address : attachment.addresses) addresses.emplace_back(to_string(address));
    object["since_ms"] = attachment.since_ms;
    return object;
}

std::optional<AttachmentKey> decode_attachment_key(const json::value& value, std::string& problem) {
    problem.clear();
    Reader reader(value, problem);
    AttachmentKey key = read_key(reader);
    if (!reader.fine()) return std::nullopt;
    return key;
}

std::optional<Attachment> decode_attachment(const json::value& value, std::string& problem) {
    problem.clear();
    Reader reader(value, problem);
    Attachment attachment{.key = read_key(reader),
                          .pod = {.ns = reader.text("namespace"), .name = reader.text("name")},
                          .uid = reader.text("uid"),
                          .netns = reader.text("netns"),
                          .host_interfaces = reader.texts("host_interfaces"),
                          .since_ms = reader.number("since_ms")};
    // Kubernetes' names of pods and namespaces are narrower; this keeps them apart from ours.
    if (!is_cni_name(attachment.pod.ns)) reader.fail("namespace is no name of a namespace");
    if (!is_cni_name(attachment.pod.name)) reader.fail("name is no name of a pod");
    for (const auto& text : reader.texts("addresses")) {
        const auto address = Address::parse(text);
        if (!address) reader.fail("'" + text + "' is no address");
        if (address) attachment.addresses.push_back(*address);
    }
    if (!reader.fine()) return std::nullopt;
    return attachment;
}

}  // namespace podfence
