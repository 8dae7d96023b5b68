// The doctor's checks of pods, of the agent's hold on their interfaces, and of the CNI plugin.
#include <catch2/catch.hpp>

#include "controller/doctor/checks.hpp"
#include "test/support/doctor.hpp"

using namespace podfence;
using namespace podfence::doctor;
using test::healthy;
using test::level;
using test::says;

TEST_CASE("pods that policies cannot judge are told by name", "[doctor]") {
    Facts facts = healthy();
    CHECK(check_pods(facts).empty());
    facts.agent.unenforced = {{.pod = "kube-system/proxy", .reason = "hostNetwork"},
                              {.pod = "shop/web", .reason = "address-shared"},
                              {.pod = "shop/new", .reason = "no-address"}};
    facts.agent.anti_spoof.unproved = {{.pod = "shop/vm", .reason = "no-interface"}};
    const auto findings = check_pods(facts);
    CHECK(level(findings, "pods-host-network") == Level::note);
    CHECK(says(findings, "pods-host-network", "1 pod (kube-system/proxy)"));
    CHECK(level(findings, "pods-address-shared") == Level::warning);
    CHECK(level(findings, "pods-not-enforceable") == Level::warning);
    CHECK(says(findings, "pods-not-enforceable", "shop/vm"));
    CHECK(findings.size() == 3);  // One without an address yet is nothing to mend.
    facts.agent.presence = AgentFacts::Presence::absent;
    CHECK(check_pods(facts).empty());
}

TEST_CASE("the proof of sources: off, audited, failing, missing in the kernel", "[doctor]") {
    Facts facts = healthy();
    CHECK(level(check_anti_spoof(facts), "anti-spoof") == Level::ok);
    SECTION("modes") {
        facts.agent.anti_spoof.mode = "audit";
        CHECK(level(check_anti_spoof(facts), "anti-spoof-audit") == Level::note);
        facts.agent.anti_spoof = {};
        CHECK(level(check_anti_spoof(facts), "anti-spoof-off") == Level::note);
    }
    SECTION("not in sync, and why") {
        facts.agent.anti_spoof.in_sync = false;
        facts.agent.anti_spoof.error = "commit: busy";
        CHECK(level(check_anti_spoof(facts), "anti-spoof-not-in-sync") == Level::warning);
        CHECK(says(check_anti_spoof(facts), "anti-spoof-not-in-sync", "commit: busy"));
    }
    SECTION("the kernel's table against the agent's word") {
        facts.ruleset->tables[1].flags = 1;  // Dormant.
        CHECK(level(check_anti_spoof(facts), "anti-spoof-dormant") == Level::error);
        facts.ruleset->tables.pop_back();
        CHECK(level(check_anti_spoof(facts), "anti-spoof-missing") == Level::error);
        facts.agent.anti_spoof.interfaces = 0;  // No pod, no table.
        CHECK(level(check_anti_spoof(facts), "anti-spoof") == Level::ok);
        facts.agent.anti_spoof.interfaces = 1;
        facts.ruleset.reset();  // It could not be read, which is said elsewhere.
        CHECK(level(check_anti_spoof(facts), "anti-spoof") == Level::ok);
    }
    SECTION("pods that share an interface") {
        facts.agent.anti_spoof.unproved = {{.pod = "a/x", .reason = "interface-shared"},
                                           {.pod = "a/y", .reason = "interface-shared"}};
        CHECK(level(check_anti_spoof(facts), "anti-spoof-interface-shared") == Level::note);
        CHECK(says(check_anti_spoof(facts), "anti-spoof-interface-shared", "2 pods (a/x, a/y)"));
    }
}

TEST_CASE("a table that anybody may change is told, with the agent's reason", "[doctor]") {
    Facts facts = healthy();
    CHECK(level(check_table(facts), "table-owner") == Level::ok);
    facts.table->owned = false;
    facts.agent.table_shared_because = "of --table-owner=off";
    CHECK(level(check_table(facts), "table-shared") == Level::note);
    CHECK(says(check_table(facts), "table-shared", "because of --table-owner=off"));
}

TEST_CASE("the CNI plugin: absent, without its program, unused, not the last", "[doctor]") {
    Facts facts = healthy();
    CHECK(level(check_own_plugin(facts), "cni-plugin") == Level::ok);
    CHECK(says(check_own_plugin(facts), "cni-plugin", "without an agent: wait"));
    SECTION("not the last") {
        facts.cni[0].types.emplace_back("tuning");
        CHECK(level(check_own_plugin(facts), "cni-plugin-not-last") == Level::warning);
        CHECK(says(check_own_plugin(facts), "cni-plugin-not-last", "tuning comes after it"));
    }
    SECTION("in a file that runtimes pass over") {
        facts.cni.insert(facts.cni.begin(), {.file = "05-bridge.conf", .types = {"bridge"}});
        CHECK(level(check_own_plugin(facts), "cni-plugin-unused") == Level::warning);
        CHECK(says(check_own_plugin(facts), "cni-plugin-unused", "05-bridge.conf"));
    }
    SECTION("without its program no pod starts") {
        facts.cni_program = false;
        CHECK(level(check_own_plugin(facts), "cni-plugin-program-missing") == Level::error);
        facts.cni_program.reset();  // The directory is not to be seen from here.
        CHECK(level(check_own_plugin(facts), "cni-plugin") == Level::ok);
    }
    SECTION("absent, or nothing to be seen") {
        facts.cni[0].types.pop_back();
        CHECK(level(check_own_plugin(facts), "cni-plugin-absent") == Level::note);
        facts.cni.clear();
        facts.cni_directory = "/etc/cni/net.d";
        CHECK(level(check_own_plugin(facts), "cni-unknown") == Level::note);
    }
}
