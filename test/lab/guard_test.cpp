// What the guard of interfaces knows of them, as they come, go and are told of.
#include <vector>

#include <catch2/catch.hpp>

#include "test/support/lab_guard.hpp"
#include "test/support/lab_process.hpp"
#include "test/support/skip.hpp"

namespace podfence::lab {

TEST_CASE("Lab N73: the guard follows an interface's new name") {
    const Lab lab(six_pods());
    for (const WiredNode& node : kWiredNodes) {
        INFO(node.wiring);
        Scene scene(lab, node.number);
        auto& [guard, stage, ear] = scene;
        const PodLink link = scene.sender_link();
        const auto renaming = run_program(
            {"ip", "-n", stage.node.ns.name(), "link", "set", "dev", link.name, "name", "renamed"});
        if (renaming.err.find("Device or resource busy") != std::string::npos) {
            PODFENCE_SKIP("renaming needs a kernel that renames interfaces that are up (6.2)");
        }
        INFO(renaming.err);
        REQUIRE(renaming.status == 0);
        guard.await([&] { return guard.link_of(stage.sender).name == "renamed"; });
        guard.settle();
        scene.check();
    }
}

TEST_CASE("Lab N73: the guard believes the plugin that made an interface, at once") {
    const Lab lab(six_pods());
    for (const WiredNode& node : kWiredNodes) {
        INFO(node.wiring);
        Scene scene(lab, node.number);
        auto& [guard, stage, ear] = scene;
        const PodLink link = scene.sender_link();
        CHECK(link.evidence != Evidence::told);
        const Attachment attachment{.key = {.network = "n", .container = "c", .interface = "eth0"},
                                    .pod = link.pod,
                                    .host_interfaces = {"cni0", link.name},
                                    .addresses = stage.sender.addresses};
        SpoofGuard& itself = guard.itself();
        itself.told(attachment);
        CHECK_FALSE(itself.holds(itself.revision()));
        guard.await([&] { return itself.holds(itself.revision()); });
        CHECK(guard.link_of(stage.sender).evidence == Evidence::told);
        scene.check();
        itself.untold(attachment.key);
        guard.settle();  // What was bound stays so while interface, pod and address last.
        scene.check();
    }
}

TEST_CASE("Lab N73: the guard follows interfaces and addresses") {
    const Lab lab(six_pods());
    for (const WiredNode& node : kWiredNodes) {
        INFO(node.wiring);
        Scene scene(lab, node.number);
        auto& [guard, stage, ear] = scene;
        const PodLink link = scene.sender_link();
        scene.check();
        // Another pod's interface goes, with its pod.
        const PodLink gone = guard.link_of(stage.victim);
        check_program({"ip", "-n", stage.node.ns.name(), "link", "delete", gone.name});
        guard.remove(gone.pod);
        guard.await([&] { return guard.status().interfaces.total() == 2; });
        guard.settle();
        scene.check();
        // The pod ends: its interface is nobody's until it goes.
        const Pod pod = *guard.cluster().find_pod(link.pod);
        guard.remove(link.pod);
        guard.settle();
        CHECK(guard.status().interfaces.total() == 1);
        guard.change(pod);
        guard.settle();
        CHECK(guard.status().interfaces.total() == 2);
        scene.check();
    }
}

namespace {

std::vector<Prefix> ranges_of_pods() {
    return {*Prefix::parse("10.244.0.0/16"), *Prefix::parse("fd00:10:244::/48")};
}

/// From now on nothing but what was known before tells whose the interface is.
void forget_addresses(const Stage& stage) {
    check_program({"ip", "-n", stage.sender.ns.name(), "address", "flush", "scope", "global"});
    check_program({"ip", "-n", stage.node.ns.name(), "neighbour", "flush", "all"});
}

}  // namespace

TEST_CASE("Lab N73: a guard that starts again goes by what the one before it knew") {
    const Lab lab(six_pods());
    const Stage stage(lab, 0);
    const LinkIndex bound = Guard(lab, 0).link_of(stage.sender).index;
    forget_addresses(stage);
    Guard again(lab, 0);
    REQUIRE(again.status().unproved.total() == 0);
    CHECK(again.link_of(stage.sender).index == bound);
}

TEST_CASE("Lab N73: what somebody claimed while it was held is not remembered of it") {
    const Lab lab(six_pods());
    const Stage stage(lab, 0);
    {
        Guard guard(lab, 0);
        guard.remove({"lab", stage.sender.name});
        guard.itself().hold(ranges_of_pods());
        guard.await([&] { return guard.status().held.total() == 1; });
        guard.settle();
    }
    forget_addresses(stage);
    const Guard again(lab, 0);
    CHECK(again.status().unproved.total() == 1);
}

TEST_CASE("Lab N73: who is held cannot pretend to be somebody else before it is known") {
    const Lab lab(six_pods());
    for (const WiredNode& node : kWiredNodes) {
        INFO(node.wiring);
        Scene scene(lab, node.number);
        auto& [guard, stage, ear] = scene;
        const Pod pod = *guard.cluster().find_pod({"lab", stage.sender.name});
        guard.remove(pod.name);
        guard.settle();
        CHECK(guard.status().interfaces.total() == 2);
        // Without the pods' ranges nobody can tell its interface from any other.
        stage.forger.send(stage.forger.forged());
        ear.listen();
        CHECK(ear.forged > 0);
        CHECK(guard.refused() == 0);
        ear.forged = 0;
        guard.itself().hold(ranges_of_pods());
        guard.await([&] { return guard.status().held.total() == 1; });
        guard.settle();
        scene.check();
        guard.change(pod);
        guard.await([&] { return guard.status().interfaces.total() == 3; });
        guard.settle();
        CHECK(guard.status().held.total() == 0);
        scene.check();
    }
}

}  // namespace podfence::lab
