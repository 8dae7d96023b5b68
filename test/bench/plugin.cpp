#include "test/bench/plugin.hpp"

#include <vector>

#include <boost/json/serialize.hpp>

#include "test/bench/node.hpp"
#include "test/support/lab_process.hpp"

namespace podfence::bench {

Clock::duration run_plugin(const std::string& command, const Pod& pod, const PluginCall& call) {
    const std::vector<std::string> environment{
        "CNI_COMMAND=" + command,
        "CNI_CONTAINERID=" + call.container,
        "CNI_NETNS=" + call.netns,
        "CNI_IFNAME=eth0",
        "CNI_PATH=/usr/lib/cni",
        "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=" + pod.name.ns +
            ";K8S_POD_NAME=" + pod.name.name + ";K8S_POD_UID=" + pod.uid.text()};
    const std::string config =
        boost::json::serialize(boost::json::object{{"cniVersion", call.previous.at("cniVersion")},
                                                   {"name", "bench"},
                                                   {"type", "podfence-cni"},
                                                   {"socket", call.socket},
                                                   {"onAgentMissing", "deny"},
                                                   {"prevResult", call.previous}});
    const AllProcessors all;
    const auto began = Clock::now();
    const auto done = lab::run_program({test::cni_program()}, config, environment);
    const auto took = Clock::now() - began;
    if (done.status != 0) lab::fail(command + ": " + done.out + done.err);
    return took;
}

}  // namespace podfence::bench
