#include <filesystem>

#include <boost/json.hpp>

#include "test/support/lab.hpp"
#include "test/support/lab_process.hpp"

namespace podfence::lab {
namespace {

constexpr const char* kPluginDir = "/usr/lib/cni";

/// The network configuration as it would lie in /etc/cni/net.d of that node.
std::string network_config(const CniRequest& request) {
    const std::string n = std::to_string(request.node + 1);
    const bool bridge = request.wiring == Wiring::bridge;
    return std::string(R"({"cniVersion":"0.4.0","name":"pflab",)") +
           (bridge ? R"("type":"bridge","bridge":"cni0","isGateway":true,"hairpinMode":true,)"
                   : R"("type":"ptp",)") +
           R"("ipMasq":false,"ipam":{"type":"host-local","dataDir":")" + request.data_dir +
           R"(","ranges":[[{"subnet":"10.244.)" + n + R"(.0/24"}],[{"subnet":"fd00:10:244:)" + n +
           R"(::/64"}]],"routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}]}})";
}

}  // namespace

std::vector<Address> cni_addresses(const std::string& result) {
    std::vector<Address> addresses;
    const auto parsed = boost::json::parse(result);
    for (const auto& ip : parsed.at("ips").as_array()) {
        const std::string text(ip.at("address").as_string());
        const auto address = Address::parse(text.substr(0, text.find('/')));
        if (!address) fail("the CNI plugin gave the address " + text);
        addresses.push_back(*address);
    }
    return addresses;
}

std::string cni_result(const CniRequest& request, const NetNs& node, const NetNs& pod) {
    const std::string plugin =
        std::string(kPluginDir) + (request.wiring == Wiring::bridge ? "/bridge" : "/ptp");
    if (!std::filesystem::exists(plugin))
        fail(plugin + " is missing: install Debian's containernetworking-plugins");
    const Stay stay = node.enter();
    return check_program(
        {plugin}, network_config(request),
        {"CNI_COMMAND=ADD", "CNI_CONTAINERID=" + request.container_id, "CNI_NETNS=" + pod.path(),
         "CNI_IFNAME=eth0", std::string("CNI_PATH=") + kPluginDir});
}

std::vector<Address> cni_add(const CniRequest& request, const NetNs& node, const NetNs& pod) {
    return cni_addresses(cni_result(request, node, pod));
}

}  // namespace podfence::lab
