// The node lab as a program, for the demo and for playing: builds the lab that the pods of a
// manifest need, serves in it, and measures who reaches whom.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "controller/manifest_source.hpp"
#include "test/support/lab.hpp"
#include "test/support/lab_enforcer.hpp"
#include "test/support/lab_poller.hpp"
#include "test/support/lab_servers.hpp"
#include "test/tools/matrix.hpp"
#include "test/tools/objects.hpp"

namespace podfence::lab {
namespace {

constexpr const char* kUsage =
    "usage: pflab up DIR OBJECTS...          build the lab for these pods, serve until SIGTERM "
    "or,\n"
    "                                         without PFLAB_KEEP, the caller's end;\n"
    "                                         writes DIR/cluster.yaml, and DIR/lab when ready\n"
    "       pflab matrix DIR [POLICIES...]   measure who reaches whom; with policies check that\n"
    "                                         the oracle says the same (exit 1: it does not)\n"
    "       pflab relabel DIR NS/POD KEY=VALUE\n"
    "       pflab sweep                       remove what killed labs left\n";

/// SIGTERM and SIGINT as something to poll for.
class StopSignal final : public Pollable {
  public:
    explicit StopSignal(Poller& poller) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigprocmask(SIG_BLOCK, &set, nullptr);
        fd_ = UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
        poller.add(fd_.get(), EPOLLIN, *this);
    }
    void ready(std::uint32_t /*events*/) override { arrived_ = true; }
    bool arrived() const { return arrived_; }

  private:
    UniqueFd fd_;
    bool arrived_ = false;
};

Cluster load(const std::vector<std::string>& paths) {
    auto loaded = load_manifests(paths);
    for (const auto& problem : loaded.problems) std::cerr << to_string(problem) << "\n";
    if (loaded.has_errors() || loaded.unreadable) throw Failure("the manifests have errors");
    return std::move(loaded.cluster);
}

void write_whole(const std::string& path, const std::string& text) {
    const auto next = path + ".new";
    std::ofstream(next) << text;
    if (std::rename(next.c_str(), path.c_str()) != 0) throw Failure("cannot write " + path);
}

int up(const std::string& directory, const std::vector<std::string>& objects) {
    if (std::getenv("PFLAB_KEEP") == nullptr) ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    auto cluster = load(objects);
    const auto plan = lab_for(cluster);
    Lab lab(plan.spec);
    Poller poller;
    Servers servers(poller);
    servers.serve_all(lab, plan.ports);
    StopSignal stop(poller);
    const Cluster unplaced = cluster;
    for (const auto& [name, pod] : unplaced.pods()) {
        Pod placed = pod;
        place(placed, lab, *lab.find(host_name(name)));
        cluster.put(std::move(placed));
    }
    write_whole(directory + "/cluster.yaml", to_yaml(cluster));
    std::string nodes = "directory " + lab.claim().directory() + "\n";
    for (std::size_t i = 0; i < lab.node_count(); ++i) {
        nodes += "node " + lab.node(i).name + " " + lab.node(i).ns.name() + "\n";
    }
    for (const auto& [name, pod] : cluster.pods()) {
        nodes += "pod " + to_string(name) + " " + lab.find(host_name(name))->ns.name() + "\n";
    }
    nodes += "outside outside " + lab.outside().ns.name() + "\n";
    write_whole(directory + "/lab", nodes);
    // Whoever reads the other end of this pipe now sees its end.
    if (const char* ready = std::getenv("PFLAB_READY_FD")) ::close(std::stoi(ready));
    while (!stop.arrived()) poller.wait(-1);
    return 0;
}

int relabel(const std::string& directory, const std::string& pod_name, const std::string& label) {
    const auto slash = pod_name.find('/');
    const auto equals = label.find('=');
    auto cluster = load({directory + "/cluster.yaml"});
    const auto* pod =
        slash == std::string::npos
            ? nullptr
            : cluster.find_pod({pod_name.substr(0, slash), pod_name.substr(slash + 1)});
    if (pod == nullptr || equals == std::string::npos) throw Failure("no such pod or label");
    Pod changed = *pod;
    changed.labels.edit()[label.substr(0, equals)] = label.substr(equals + 1);
    cluster.put(std::move(changed));
    write_whole(directory + "/cluster.yaml", to_yaml(cluster));
    return 0;
}

int run(const std::vector<std::string>& args) {
    const auto rest = [&](std::size_t from) {
        return std::vector(args.begin() + static_cast<std::ptrdiff_t>(from), args.end());
    };
    if (args.size() >= 3 && args[0] == "up") return up(args[1], rest(2));
    if (args.size() == 4 && args[0] == "relabel") return relabel(args[1], args[2], args[3]);
    if (args.size() == 1 && args[0] == "sweep") {
        for (const auto& id : Claim::sweep()) std::cout << "removed lab " << id << "\n";
        return 0;
    }
    if (args.size() >= 2 && args[0] == "matrix") {
        auto paths = rest(2);
        const bool judged = !paths.empty();
        paths.push_back(args[1] + "/cluster.yaml");
        std::string word;
        std::string claim;
        std::ifstream(args[1] + "/lab") >> word >> claim;
        const auto network = Network::attach(claim);
        return measure_matrix(network, load(paths), judged, std::cout, ::isatty(1) != 0);
    }
    std::cerr << kUsage;
    return 2;
}

}  // namespace
}  // namespace podfence::lab

int main(int argc, char** argv) {
    try {
        return podfence::lab::run({argv + 1, argv + argc});
    } catch (const std::exception& error) {
        std::cerr << "pflab: " << error.what() << "\n";
        return 3;
    }
}
