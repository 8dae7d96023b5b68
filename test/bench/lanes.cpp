#include "test/bench/lanes.hpp"

#include <map>
#include <utility>

#include <net/if.h>

#include "controller/anti_spoof.hpp"
#include "nft/converge.hpp"
#include "nft/netlink_kernel.hpp"
#include "test/bench/by_hand.hpp"
#include "test/bench/rules.hpp"
#include "test/support/lab_enforcer.hpp"
#include "test/support/lab_forgery.hpp"
#include "test/support/lab_process.hpp"
#include "test/support/netns.hpp"

namespace podfence::bench {
namespace {

constexpr const char* kBaseline = "baseline";
constexpr const char* kRules = "rules";

Address address_of(const lab::Host& host) {
    return host.primary(nft::Family::ipv4);
}

std::vector<Allowed> allowed_on(const Road& road, std::size_t rules) {
    return allowed_sources(rules, allowed_host(address_of(road.client()), Road::kPort));
}

/// The node's end of a pod's interface.
struct Door {
    const lab::Host* pod = nullptr;
    std::string interface;
    LinkIndex index = 0;
};

/// In the node's namespace.
std::vector<Door> doors_of(const Road& road) {
    std::vector<Door> doors;
    for (const lab::Host* pod : {&road.client(), &road.server()}) {
        const std::string interface = lab::node_side_of(road.network(), *pod);
        doors.push_back(
            {pod, interface, static_cast<LinkIndex>(::if_nametoindex(interface.c_str()))});
    }
    return doors;
}

/// A road with the baseline's table and whatever `load` puts into its node.
template <class Load>
Lane lane(std::string name, const Load& load) {
    Lane made{.name = std::move(name),
              .road = std::make_unique<Road>(),
              .use_rules = {},
              .use_conntrack_only = {}};
    const auto stay = made.road->node().ns.enter();
    test::nft_load(conntrack_only(kBaseline));
    load(*made.road);
    return made;
}

/// Whether the rules do what the baseline's table does, or are beside it.
enum class Beside : std::uint8_t { nothing, baseline };

/// Lets the rules sleep or, unless it goes on beside them, the baseline.
void take_turns_of_tables(Lane& lane, const nft::TableId& table, Beside beside = Beside::nothing) {
    const auto stay = lane.road->node().ns.enter();
    const auto kernel = std::make_shared<ByHand>();
    const auto use = [&](bool rules) {
        return [kernel,
                change = sleep_or_wake({{{.name = kBaseline}, rules && beside == Beside::nothing},
                                        {table, !rules}})] { kernel->transact(change); };
    };
    lane.use_rules = use(true);
    lane.use_conntrack_only = use(false);
}

}  // namespace

Lane equal_lane(std::string name) {
    Lane made = lane(std::move(name), [](const Road&) { test::nft_load(conntrack_only(kRules)); });
    take_turns_of_tables(made, {.name = kRules});
    return made;
}

Lane podfence_lane(std::string name, std::size_t rules) {
    const CompileOptions options{.node = {}, .table = {.name = kRules}};
    Lane made = lane(std::move(name), [&](const Road& road) {
        lab::Enforcer(road.network(), options)
            .apply(cluster_of(allowed_on(road, rules), road.network(), road.server()));
    });
    take_turns_of_tables(made, {.name = kRules});
    return made;
}

Lane naive_linear_lane(std::string name, std::size_t rules) {
    Lane made = lane(std::move(name), [&](const Road& road) {
        test::nft_load(naive_linear(kRules, allowed_on(road, rules), address_of(road.server())));
    });
    take_turns_of_tables(made, {.name = kRules});
    return made;
}

Lane kube_router_lane(std::string name, std::size_t rules) {
    Lane made = lane(std::move(name), [&](const Road& road) {
        const KubeRouter text = kube_router(allowed_on(road, rules), address_of(road.server()));
        lab::check_program({"ipset", "restore"}, text.ipset);
        lab::check_program({"iptables-legacy-restore"}, text.iptables);
    });
    // iptables has no sleep: the jump to the rules comes and goes.
    const auto stay = made.road->node().ns.enter();
    const auto kernel = std::make_shared<ByHand>();
    const auto use = [&](bool rules) {
        return [kernel, rules, road = made.road.get(),
                change = sleep_or_wake({{{.name = kBaseline}, rules}})] {
            const auto on_node = road->node().ns.enter();
            kernel->transact(change);
            lab::check_program(
                {"iptables-legacy", rules ? "-I" : "-D", "FORWARD", "-j", kKubeRouterChain});
        };
    };
    made.use_rules = use(true);
    made.use_conntrack_only = use(false);
    return made;
}

Lane anti_spoof_lane(std::string name) {
    const AntiSpoofOptions options{.mode = AntiSpoofMode::enforce};
    Lane made = lane(std::move(name), [&](const Road& road) {
        std::map<LinkIndex, PodLink> links;
        for (const Door& door : doors_of(road)) {
            links.emplace(door.index, PodLink{.index = door.index,
                                              .name = door.interface,
                                              .pod = {"shop", door.pod->name},
                                              .addresses = {door.pod->addresses.begin(),
                                                            door.pod->addresses.end()}});
        }
        const auto kernel = nft::NetlinkKernel::open().value();
        if (const auto put = nft::converge(*kernel, compile_anti_spoof(links, options)); !put) {
            lab::fail("the guard of interfaces: " + nft::to_string(put.error()));
        }
    });
    take_turns_of_tables(made, options.table, Beside::baseline);
    return made;
}

Lane one_rule_at_doors_lane(std::string name) {
    Lane made = lane(std::move(name), [&](const Road& road) {
        std::string text = "table netdev " + std::string(kRules) + " {\n";
        for (const Door& door : doors_of(road)) {
            const std::string index = std::to_string(door.index);
            text += "chain door" + index + " { type filter hook ingress device " + door.interface +
                    " priority 0\n ether type ip iif " + index + " ip saddr " +
                    to_string(address_of(*door.pod)) + " accept\n ether type ip drop\n }\n";
        }
        test::nft_load(text + "}\n");
    });
    take_turns_of_tables(made, {.family = nft::TableFamily::netdev, .name = kRules},
                         Beside::baseline);
    return made;
}

void take_turns(std::vector<Lane>& lanes, std::size_t rounds,
                const std::function<double(Road&)>& measure) {
    for (Lane& lane : lanes) {
        // What was first of all is not counted: neighbours, routes and caches are new to it.
        lane.use_rules();
        measure(*lane.road);
    }
    for (std::size_t round = 0; round < rounds; ++round) {
        for (Lane& lane : lanes) {
            // Every lane starts with the side it ended with.
            const bool rules_first = round % 2 == 0;
            const auto rules = [&] { lane.rules.push_back(measure(*lane.road)); };
            const auto baseline = [&] { lane.conntrack_only.push_back(measure(*lane.road)); };
            if (rules_first) {
                rules();
                lane.use_conntrack_only();
                baseline();
            } else {
                baseline();
                lane.use_rules();
                rules();
            }
        }
    }
}

}  // namespace podfence::bench
