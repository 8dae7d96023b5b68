#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "controller/objects.hpp"

/// What the CNI chain plugin knows of a pod that is being started, before the API server knows its
/// addresses. The plugin is a small program of its own: this includes little, and links to less.
namespace podfence {

/// What CNI tells one attachment from another by: the network's name, CNI_CONTAINERID, CNI_IFNAME.
struct AttachmentKey {
    std::string network{};
    std::string container{};
    std::string interface {};
    friend auto operator<=>(const AttachmentKey&, const AttachmentKey&) = default;
};

/// A pod's sandbox with an interface on the pod network.
struct Attachment {
    AttachmentKey key{};
    ObjectName pod{};
    std::string uid{};  ///< Of the pod; empty where the runtime does not say.
    std::string netns{};
    /// On the node's side, as the plugins before us name them: a veth, maybe also its bridge.
    std::vector<std::string> host_interfaces{};
    std::vector<Address> addresses{};
    std::int64_t since_ms = 0;  ///< When it was made, milliseconds since 1970.
    friend bool operator==(const Attachment&, const Attachment&) = default;
};

/// The pod network's interface in every sandbox, as containerd, CRI-O and cri-dockerd call it. A
/// pod's other interfaces are on networks whose addresses policies say nothing of (N55).
inline constexpr std::string_view kPodInterface = "eth0";

/// The forms that the CNI specification gives to these; all of them are harmless in file names.
bool is_network_name(std::string_view text);
bool is_container_id(std::string_view text);
/// As the kernel takes names of links (net/core/dev.c, dev_valid_name).
bool is_interface_name(std::string_view text);

/// {"network": ..., "container": ..., "interface": ...}
boost::json::object encode(const AttachmentKey& key);
/// The same and {"namespace", "name", "uid", "netns", "host_interfaces", "addresses", "since_ms"}.
boost::json::object encode(const Attachment& attachment);
/// nullopt: `problem` says what is wrong with it.
std::optional<AttachmentKey> decode_attachment_key(const boost::json::value& value,
                                                   std::string& problem);
std::optional<Attachment> decode_attachment(const boost::json::value& value, std::string& problem);

}  // namespace podfence
