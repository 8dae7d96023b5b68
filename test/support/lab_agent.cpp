#include "test/support/lab_agent.hpp"

#include <filesystem>
#include <fstream>

#include <boost/json.hpp>

#include "test/support/lab_process.hpp"
#include "test/support/manifest.hpp"
#include "test/support/paths.hpp"

namespace podfence::lab {

FileAgents::FileAgents(const Lab& lab, const Cluster& cluster, std::vector<std::string> options)
    : directory_(lab.claim().directory() + "/manifests") {
    std::filesystem::create_directory(directory_);
    tell(cluster);
    for (std::size_t number = 0; number < lab.node_count(); ++number) {
        const auto& host = lab.node(number);
        auto& node = nodes_.emplace_back(
            Node{.log = lab.claim().directory() + "/agent-" + host.name + ".log",
                 .socket = lab.claim().directory() + "/agent-" + host.name + ".sock"});
        std::vector<std::string> argv{test::podfence_program(),
                                      "agent",
                                      "-f",
                                      directory_,
                                      "--node",
                                      host.name,
                                      "--socket",
                                      node.socket,
                                      "--metrics-address",
                                      "",
                                      "--log-level",
                                      "debug"};
        argv.insert(argv.end(), options.begin(), options.end());
        node.process.emplace(host.ns, ChildSpec{.argv = argv, .log = node.log});
    }
    for (const auto& node : nodes_) {
        const auto waited = run_program({test::podfence_program(), "status", "--wait", "--timeout",
                                         "20", "--socket", node.socket});
        if (waited.status != 0) fail("an agent is not ready: " + waited.err + tail_of(node.log));
    }
}

void FileAgents::tell(const Cluster& cluster) const {
    const std::string next = directory_ + ".next";
    std::ofstream(next) << test::to_manifest(cluster);
    std::filesystem::rename(next, directory_ + "/cluster.yaml");
}

boost::json::value FileAgents::status(std::size_t node) const {
    return boost::json::parse(run_program({test::podfence_program(), "status", "-o", "json",
                                           "--socket", nodes_.at(node).socket})
                                  .out);
}

std::string FileAgents::logs() const {
    std::string all;
    for (const auto& node : nodes_) all += tail_of(node.log);
    return all;
}

}  // namespace podfence::lab
