// What the kernel offers, and whether we may use it.
#include <array>
#include <cstring>

#include "controller/doctor/checks.hpp"

namespace podfence::doctor {

namespace {

using nft::Feature;

/// What becomes of a node whose kernel lacks a feature.
struct Need {
    Feature feature;
    Level level;
    const char* use;
    const char* modules;
};

constexpr std::array<Need, nft::kFeatureCount> kNeeds{{
    {Feature::inet_table, Level::error, "all rules stand in one table for IPv4 and IPv6",
     "nf_tables"},
    {Feature::verdict_map, Level::error, "a pod's address leads to its rules", "nf_tables"},
    {Feature::hash_set, Level::error, "addresses of the pods that a selector chooses", "nf_tables"},
    {Feature::interval_set, Level::error, "ranges of ipBlocks", "nf_tables"},
    {Feature::concat_ranges, Level::error, "ports, and ranges of them", "nf_tables"},
    {Feature::ct_state, Level::error, "replies to allowed connections", "nft_ct nf_conntrack"},
    {Feature::counter, Level::warning, "--counters and the self-test", "nf_tables"},
    {Feature::limit, Level::warning, "--log-group, which is limited in rate", "nft_limit"},
    {Feature::log, Level::warning, "--log-group: denied packets are told", "nft_log nfnetlink_log"},
    {Feature::reject, Level::warning, "answers to denied packets instead of silence",
     "nft_reject_inet"},
    {Feature::ct_mark, Level::warning, "cutting connections that are no longer allowed",
     "nft_ct nf_conntrack"},
    {Feature::netdev_ingress, Level::warning, "proving a pod's address on its own interface",
     "nf_tables"},
    {Feature::owned_table, Level::note, "keeping others out of the self-test's table", "nf_tables"},
    {Feature::lasting_table, Level::note, "keeping others out of the table of rules (Linux 6.9)",
     "nf_tables"},
    {Feature::conntrack_table, Level::warning, "finding connections that are no longer allowed",
     "nf_conntrack_netlink"},
}};

const Need& need_of(Feature feature) {
    return kNeeds.at(static_cast<std::size_t>(feature));
}

Finding missing(const nft::ProbedFeature& probed) {
    const Need& need = need_of(probed.feature);
    const std::string name(nft::to_string(probed.feature));
    Finding finding{.id = "kernel-" + name,
                    .level = need.level,
                    .title = "the kernel has no " + name + ": " + std::strerror(probed.os_error),
                    .text = std::string("needed for: ") + need.use,
                    .remedy = std::string("modprobe -a ") + need.modules};
    if (probed.feature == Feature::lasting_table || probed.feature == Feature::owned_table) {
        finding.remedy.clear();  // No module brings it.
        finding.text += "; without it, what others change there is repaired after the fact";
    }
    return finding;
}

}  // namespace

Findings check_features(const Facts& facts) {
    const Kernel& kernel = facts.kernel;
    if (!kernel.features) {
        return {{.id = "kernel-unknown",
                 .level = Level::note,
                 .title = "what the kernel can do was not tried: " + kernel.features_error,
                 .text = "it takes a network namespace that is thrown away afterwards",
                 .remedy = "run it as root on the node itself"}};
    }
    Findings findings;
    std::size_t present = 0;
    for (const nft::ProbedFeature& probed : *kernel.features) {
        if (probed.present) {
            ++present;
        } else {
            findings.push_back(missing(probed));
        }
    }
    if (present > 0) {
        findings.insert(findings.begin(),
                        {.id = "kernel-features",
                         .level = Level::ok,
                         .title = "Linux " + kernel.release + " has " + std::to_string(present) +
                                  " of the " + std::to_string(kernel.features->size()) +
                                  " features of nf_tables and conntrack that podfence uses"});
    }
    return findings;
}

Findings check_privileges(const Facts& facts) {
    const Privileges& privileges = facts.privileges;
    Findings findings;
    if (!privileges.net_admin) {
        findings.push_back(
            {.id = "privilege-net-admin",
             .level = Level::error,
             .title = "CAP_NET_ADMIN is missing",
             .text = "neither rules nor the state of the network can be read or changed",
             .remedy = "run it as root; in a pod: "
                       "securityContext.capabilities.add: [NET_ADMIN] and hostNetwork: true"});
    } else {
        findings.push_back({.id = "privileges",
                            .level = Level::ok,
                            .title = "CAP_NET_ADMIN is there" +
                                     std::string(privileges.may_make_namespaces
                                                     ? ", and network namespaces can be made"
                                                     : "")});
    }
    if (privileges.net_admin && !privileges.may_make_namespaces) {
        findings.push_back({.id = "privilege-namespaces",
                            .level = Level::note,
                            .title = "no network namespace can be made",
                            .text = "the self-test needs two; rules do not",
                            .remedy = "in a pod: capabilities.add: [SYS_ADMIN], as "
                                      "manifests/overlays/canary does; or run it on the node"});
    }
    if (privileges.initial_netns == false) {
        findings.push_back(
            {.id = "network-namespace",
             .level = Level::warning,
             .title = "this is not the machine's first network namespace",
             .text = "right where a node is itself a container, as with kind; in a pod it means "
                     "that hostNetwork: true is missing, and what is seen here is the pod's"});
    }
    return findings;
}

}  // namespace podfence::doctor
