// The doctor's checks over given facts.
#include <algorithm>

#include <catch2/catch.hpp>

#include "controller/doctor/checks.hpp"
#include "test/support/doctor.hpp"

using namespace podfence;
using namespace podfence::doctor;
using test::bridged;
using test::healthy;
using test::level;
using test::says;

namespace {

nft::SurveyedHook forward_hook(const std::string& table, std::int32_t priority) {
    return {.family = "inet",
            .table = table,
            .chain = "forward",
            .type = "filter",
            .hook = "forward",
            .priority = priority};
}

}  // namespace

TEST_CASE("a healthy node has nothing but ok", "[doctor]") {
    for (const Facts& facts : {healthy(), bridged()}) {
        for (const Finding& finding : check_all(facts)) {
            CAPTURE(finding.id, finding.title);
            CHECK(finding.level == Level::ok);
            CHECK(finding.remedy.empty());
        }
    }
}

TEST_CASE("whatever is amiss comes with its meaning and a remedy", "[doctor]") {
    Facts facts;  // Nothing could be read.
    facts.privileges.initial_netns = false;
    for (const Finding& finding : check_all(facts)) {
        CAPTURE(finding.id, finding.title);
        CHECK_FALSE(finding.title.empty());
        if (finding.level >= Level::warning) CHECK_FALSE(finding.text.empty());
    }
    CHECK(level(check_all(facts), "privilege-net-admin") == Level::error);
    CHECK(level(check_all(facts), "kernel-unknown") == Level::note);
    CHECK(level(check_all(facts), "ruleset-unknown") == Level::warning);
    CHECK(level(check_all(facts), "table-unknown") == Level::warning);
    CHECK(level(check_all(facts), "network-namespace") == Level::warning);
}

TEST_CASE("a missing feature of the kernel is as grave as what needs it", "[doctor]") {
    Facts facts = healthy();
    const auto without = [&](nft::Feature feature) {
        Facts changed = facts;
        for (auto& probed : *changed.kernel.features) {
            if (probed.feature != feature) continue;
            probed.present = false;
            probed.os_error = ENOENT;
        }
        return check_features(changed);
    };
    CHECK(level(without(nft::Feature::ct_state), "kernel-ct-state") == Level::error);
    CHECK(says(without(nft::Feature::ct_state), "kernel-ct-state", "modprobe -a nft_ct"));
    CHECK(level(without(nft::Feature::log), "kernel-log") == Level::warning);
    CHECK(says(without(nft::Feature::log), "kernel-log", "--log-group"));
    CHECK(level(without(nft::Feature::lasting_table), "kernel-lasting-table") == Level::note);
    CHECK(says(without(nft::Feature::log), "kernel-features", "14 of the 15"));
    for (std::size_t i = 0; i < nft::kFeatureCount; ++i) {
        const auto feature = static_cast<nft::Feature>(i);
        CHECK(test::find(without(feature), "kernel-" + std::string(nft::to_string(feature))) !=
              nullptr);
    }
}

TEST_CASE("br_netfilter matters where bridges have ports, each family by itself", "[doctor]") {
    Facts facts = bridged();
    facts.sysctls["net/bridge/bridge-nf-call-iptables"] = "0";
    CHECK(level(check_bridges(facts), "bridge-bypass-ipv4") == Level::error);
    CHECK(says(check_bridges(facts), "bridge-bypass-ipv4",
               "sysctl -w net.bridge.bridge-nf-call-iptables=1"));
    CHECK_FALSE(level(check_bridges(facts), "bridge-bypass-ipv6"));
    facts.sysctls.erase("net/bridge/bridge-nf-call-iptables");
    facts.sysctls.erase("net/bridge/bridge-nf-call-ip6tables");
    CHECK(says(check_bridges(facts), "bridge-bypass-ipv6", "modprobe br_netfilter"));

    SECTION("a bridge may call the hooks by a setting of its own") {
        facts.interfaces->front().calls_iptables = true;
        CHECK_FALSE(level(check_bridges(facts), "bridge-bypass-ipv4"));
        CHECK(level(check_bridges(facts), "bridge-bypass-ipv6") == Level::error);
    }
    SECTION("a bridge that pods are known not to be on is only noted") {
        facts.interfaces->front().pods = 0;
        CHECK(level(check_bridges(facts), "bridge-bypass-ipv4") == Level::error);  // Unknown.
        facts.interfaces->push_back({.index = 9, .name = "veth9", .kind = "veth", .pods = 1});
        CHECK(level(check_bridges(facts), "bridge-bypass-ipv4") == Level::note);
    }
    SECTION("a bridge without ports carries nothing") {
        facts.interfaces->resize(1);
        CHECK(level(check_bridges(facts), "bridges") == Level::ok);
    }
}

TEST_CASE("forwarding is needed of the families that pods have", "[doctor]") {
    Facts facts = healthy();
    facts.sysctls["net/ipv4/ip_forward"] = "0";
    facts.sysctls["net/ipv6/conf/all/forwarding"] = "0";
    CHECK(level(check_forwarding(facts), "forwarding-ipv4") == Level::warning);
    CHECK(level(check_forwarding(facts), "forwarding-ipv6") == Level::note);
    facts.agent.pods_v6 = 1;
    CHECK(level(check_forwarding(facts), "forwarding-ipv6") == Level::warning);
}

TEST_CASE("rp_filter: the stricter of all and the interface's own counts", "[doctor]") {
    Facts facts = healthy();
    facts.agent.anti_spoof.mode = "audit";
    CHECK(check_rp_filter(facts).empty());
    facts.sysctls["net/ipv4/conf/all/rp_filter"] = "0";
    CHECK(level(check_rp_filter(facts), "rp-filter") == Level::note);
    CHECK(says(check_rp_filter(facts), "rp-filter", "veth1"));
    facts.sysctls["net/ipv4/conf/veth1/rp_filter"] = "1";
    CHECK(check_rp_filter(facts).empty());
    facts.sysctls["net/ipv4/conf/all/rp_filter"] = "2";  // Loose is the greater number.
    CHECK(level(check_rp_filter(facts), "rp-filter") == Level::note);
    facts.agent.anti_spoof.mode = "enforce";
    CHECK(check_rp_filter(facts).empty());  // The agent's proof is stricter.
}

TEST_CASE("a conntrack table that is nearly full is warned about", "[doctor]") {
    Facts facts = healthy();
    facts.sysctls["net/netfilter/nf_conntrack_count"] = "799";
    CHECK(level(check_conntrack(facts), "conntrack") == Level::ok);
    facts.sysctls["net/netfilter/nf_conntrack_count"] = "800";
    CHECK(level(check_conntrack(facts), "conntrack-full") == Level::warning);
    CHECK(says(check_conntrack(facts), "conntrack-full", "nf_conntrack_max=2000"));
    facts.sysctls["net/netfilter/nf_conntrack_tcp_be_liberal"] = "1";
    facts.sysctls["net/netfilter/nf_conntrack_tcp_loose"] = "0";
    CHECK(level(check_conntrack(facts), "conntrack-liberal") == Level::note);
    CHECK(level(check_conntrack(facts), "conntrack-strict") == Level::note);
    facts.sysctls.erase("net/netfilter/nf_conntrack_max");
    CHECK(level(check_conntrack(facts), "conntrack") == Level::note);
}

TEST_CASE("others on the forward hook: an accept cannot save, a drop can surprise", "[doctor]") {
    Facts facts = healthy();
    facts.ruleset->tables = {{.family = "inet", .name = "fw", .chains = {"forward"}}};
    facts.ruleset->hooks = {forward_hook("fw", 0)};
    CHECK(worst_of(check_hooks(facts)) == Level::ok);
    CHECK(says(check_hooks(facts), "hooks", "one chain of others"));

    SECTION("rules that drop are noted") {
        facts.ruleset->tables[0].effects.drops = 3;
        CHECK(level(check_hooks(facts), "hook-drops") == Level::note);
        CHECK(says(check_hooks(facts), "hook-drops", "nft list table inet fw"));
    }
    SECTION("a policy that drops is warned about, before and after us") {
        facts.ruleset->hooks[0].policy_drop = true;
        CHECK(level(check_hooks(facts), "hook-drop-after") == Level::warning);
        facts.ruleset->hooks[0].priority = -200;
        CHECK(level(check_hooks(facts), "hook-drop-before") == Level::warning);
        facts.ruleset->tables[0].flags = 1;  // Dormant.
        CHECK(worst_of(check_hooks(facts)) == Level::ok);
    }
    SECTION("our own chains are not others'") {
        facts.ruleset->tables = {{.family = "inet", .name = "podfence"},
                                 {.family = "netdev", .name = "podfence", .effects = {.drops = 2}}};
        facts.ruleset->hooks = {forward_hook("podfence", -10),
                                {.family = "netdev",
                                 .table = "podfence",
                                 .chain = "pod-3-veth1",
                                 .type = "filter",
                                 .hook = "ingress",
                                 .devices = {"veth1"},
                                 .effects = {.drops = 1}}};
        facts.ruleset->hooks[0].policy_drop = true;
        CHECK(says(check_hooks(facts), "hooks", "nobody else"));
        CHECK(worst_of(check_bypasses(facts)) == Level::ok);
    }
    SECTION("what another run left under another name is told, and how to remove it") {
        facts.ruleset->tables.push_back({.family = "inet", .name = "podfence-old"});
        facts.ruleset->tables.push_back({.family = "inet", .name = "podfence-canary"});
        CHECK(level(check_hooks(facts), "table-left") == Level::warning);
        CHECK(says(check_hooks(facts), "table-left", "--table-name podfence-old"));
        CHECK(std::ranges::count(check_hooks(facts), "table-left", &Finding::id) == 1);
    }
    SECTION("a program that decides is told") {
        facts.ruleset->tables[0].effects.queues = 1;
        CHECK(level(check_hooks(facts), "hook-queue") == Level::note);
    }
}

TEST_CASE("what carries packets past the forward hook is warned about", "[doctor]") {
    Facts facts = healthy();
    SECTION("a flowtable that nobody uses, on other devices, on pods'") {
        facts.ruleset->tables = {{.family = "inet", .name = "fw"}};
        facts.ruleset->flowtables = {
            {.family = "inet", .table = "fw", .name = "f", .devices = {"eth0", "eth1"}}};
        CHECK(level(check_bypasses(facts), "flowtable-idle") == Level::note);
        facts.ruleset->tables[0].effects.offloads = 1;
        CHECK(level(check_bypasses(facts), "flowtable") == Level::warning);
        CHECK(says(check_bypasses(facts), "flowtable", "nft delete flowtable inet fw f"));
        for (const char* device : {"veth1", "ve*"}) {
            facts.ruleset->flowtables[0].devices = {"eth0", device};
            CHECK(level(check_bypasses(facts), "flowtable") == Level::error);
            CHECK(says(check_bypasses(facts), "flowtable", "(devices veth1)"));
        }
        facts.ruleset->flowtables[0].hardware = true;
        CHECK(level(check_bypasses(facts), "flowtable-hardware") == Level::error);
        facts.agent.cuts_established = false;
        CHECK(level(check_bypasses(facts), "flowtable-hardware") == Level::warning);
    }
    SECTION("a netdev chain that takes packets off, of pods and of others, or drops") {
        const nft::RuleEffects effects{.drops = 1, .forwards = 1};
        facts.ruleset->tables = {{.family = "netdev", .name = "thief", .effects = effects}};
        facts.ruleset->hooks = {{.family = "netdev",
                                 .table = "thief",
                                 .chain = "in",
                                 .type = "filter",
                                 .hook = "ingress",
                                 .devices = {"veth1"},
                                 .effects = effects}};
        CHECK(level(check_bypasses(facts), "hook-forwards") == Level::error);
        CHECK(level(check_bypasses(facts), "hook-drop-early") == Level::note);
        facts.ruleset->hooks[0].devices = {"eth0"};
        CHECK(level(check_bypasses(facts), "hook-diverts") == Level::warning);
        facts.ruleset->tables[0].effects = {.diverts = 1};
        facts.ruleset->hooks[0].devices = {"veth1"};
        CHECK(level(check_bypasses(facts), "hook-diverts") == Level::warning);
    }
    SECTION("the ports of a bridge with pods are pods' too") {
        Facts on_bridge = bridged();
        on_bridge.ruleset->tables = {{.family = "inet", .name = "fw", .effects = {.offloads = 1}}};
        on_bridge.ruleset->flowtables = {
            {.family = "inet", .table = "fw", .name = "f", .devices = {"veth2"}}};
        CHECK(level(check_bypasses(on_bridge), "flowtable") == Level::error);
    }
    SECTION("notrack") {
        facts.ruleset->tables = {{.family = "ip", .name = "raw", .effects = {.untracks = 1}}};
        facts.ruleset->hooks = {{.family = "ip",
                                 .table = "raw",
                                 .chain = "PREROUTING",
                                 .type = "filter",
                                 .hook = "prerouting",
                                 .priority = -300}};
        CHECK(level(check_bypasses(facts), "hook-untracked") == Level::warning);
    }
    SECTION("programs, on pods' interfaces and elsewhere") {
        facts.tc = {{.interface = "veth1", .kind = "bpf", .name = "redirector"}};
        CHECK(level(check_bypasses(facts), "programs-on-pods") == Level::warning);
        facts.tc = {{.interface = "eth0", .ingress = false, .kind = "tcx"}};
        CHECK_FALSE(level(check_bypasses(facts), "programs-on-pods"));
        CHECK(level(check_bypasses(facts), "programs-elsewhere") == Level::note);
        facts.tc->clear();
        facts.interfaces->at(1).xdp = true;
        CHECK(says(check_bypasses(facts), "programs-elsewhere", "eth0: XDP"));
    }
}

TEST_CASE("iptables-legacy is told, since nobody sees its rules", "[doctor]") {
    Facts facts = healthy();
    facts.legacy_tables = {"ip filter", "ip6 nat"};
    CHECK(level(check_legacy(facts), "iptables-legacy") == Level::note);
    CHECK(says(check_legacy(facts), "iptables-legacy", "ip filter, ip6 nat"));
}

TEST_CASE("other engines for policies are recognised by what they leave", "[doctor]") {
    Facts facts = healthy();
    const auto with_chain = [&](const std::string& chain) {
        Facts changed = facts;
        changed.ruleset->tables = {{.family = "ip", .name = "filter", .chains = {chain}}};
        return check_engines(changed);
    };
    CHECK(level(with_chain("cali-FORWARD"), "engine-calico") == Level::warning);
    CHECK(level(with_chain("KUBE-POD-FW-X7"), "engine-kube-router") == Level::warning);
    CHECK(level(with_chain("WEAVE-NPC"), "engine-weave") == Level::warning);
    CHECK(level(with_chain("KUBE-FORWARD"), "engines") == Level::ok);
    SECTION("a table") {
        facts.ruleset->tables = {{.family = "inet", .name = "kube-network-policies"}};
        CHECK(level(check_engines(facts), "engine-kube-network-policies") == Level::warning);
    }
    SECTION("programs that carry packets past netfilter leave us nothing to do") {
        facts.tc = {{.interface = "lxc1", .kind = "bpf", .name = "cil_from_container"}};
        CHECK(level(check_engines(facts), "engine-cilium") == Level::error);
    }
    SECTION("an interface, or a plugin") {
        facts.interfaces->push_back({.name = "antrea-gw0"});
        facts.cni = {{.file = "05-cilium.conflist", .types = {"cilium-cni"}}};
        CHECK(level(check_engines(facts), "engine-antrea") == Level::error);
        CHECK(says(check_engines(facts), "engine-cilium", "05-cilium.conflist"));
    }
}

TEST_CASE("plugins whose pods the host does not see are told", "[doctor]") {
    Facts facts = healthy();
    facts.cni = {{.file = "10-x.conflist", .types = {"ptp", "portmap"}},
                 {.file = "20-m.conf", .types = {"macvlan"}}};
    CHECK(check_plugins(facts).size() == 1);
    CHECK(level(check_plugins(facts), "plugin-macvlan") == Level::warning);
}

TEST_CASE("the agent's word, and the kernel's", "[doctor]") {
    Facts facts = healthy();
    SECTION("a table that is missing is an error where the agent believes in it") {
        facts.table.emplace();
        CHECK(level(check_table(facts), "table-missing") == Level::error);
        facts.agent = {};
        CHECK(level(check_table(facts), "table-missing") == Level::note);
        CHECK(level(check_agent(facts), "agent-absent") == Level::note);
    }
    SECTION("a table that sleeps or differs") {
        facts.table->dormant = true;
        facts.table->differences = 2;
        facts.table->first_difference = "+ add rule";
        CHECK(level(check_table(facts), "table-dormant") == Level::error);
        CHECK(says(check_table(facts), "table-differs", "+ add rule"));
    }
    SECTION("an agent that is not in sync, lost its source, has repaired") {
        facts.agent.in_sync = false;
        facts.agent.summary = "waiting";
        facts.agent.lost_sources = {"pods: refused"};
        facts.agent.repairs = 3;
        facts.agent.policies_in_trouble = 1;
        CHECK(level(check_agent(facts), "agent-not-in-sync") == Level::error);
        CHECK(level(check_agent(facts), "agent-source") == Level::warning);
        CHECK(level(check_agent(facts), "agent-drift") == Level::warning);
        CHECK(level(check_agent(facts), "agent-policies") == Level::warning);
    }
    SECTION("an agent elsewhere, or one that does not answer") {
        facts.agent.presence = AgentFacts::Presence::elsewhere;
        CHECK(level(check_agent(facts), "agent-elsewhere") == Level::warning);
        facts.agent.presence = AgentFacts::Presence::unreachable;
        CHECK(level(check_agent(facts), "agent-unreachable") == Level::warning);
    }
}

TEST_CASE("a clock that is years behind or that nobody keeps", "[doctor]") {
    Facts facts = healthy();
    facts.clock.synchronised = false;
    CHECK(level(check_clock(facts), "clock-unsynchronised") == Level::note);
    facts.clock.now_s = 1000;
    CHECK(level(check_clock(facts), "clock-wrong") == Level::warning);
}
