#include "test/support/desired_watch.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include <catch2/catch.hpp>

#include "nft/plan.hpp"
#include "nft/stages.hpp"
#include "nft/text.hpp"

namespace podfence::test {

namespace {

/// Where two texts part, with the line before.
std::string first_difference(const std::string& is, const std::string& expected) {
    std::size_t start = 0;
    std::size_t at = 0;
    while (at < is.size() && at < expected.size() && is[at] == expected[at]) {
        if (is[at++] == '\n') start = at;
    }
    const auto line = [&](const std::string& text) {
        return text.substr(start, std::min<std::size_t>(text.find('\n', start) - start, 400));
    };
    return "is:       " + line(is) + "\nexpected: " + line(expected) + "\n";
}

std::set<ObjectName> pods_of(const Cluster& cluster, const std::string& node) {
    std::set<ObjectName> names;
    for (const auto& [name, pod] : cluster.pods()) {
        if (pod.node == node) names.insert(name);
    }
    return names;
}

}  // namespace

void apply(Desired& desired, const Event& event) {
    struct Visitor {
        Desired& desired;
        void operator()(const Pod& pod) const { desired.put(pod); }
        void operator()(const Namespace& ns) const { desired.put(ns); }
        void operator()(const NetworkPolicy& policy) const { desired.put(policy); }
        void operator()(const PodGone& gone) const { desired.remove_pod(gone.name); }
        void operator()(const NamespaceGone& gone) const { desired.remove_namespace(gone.name); }
        void operator()(const PolicyGone& gone) const { desired.remove_policy(gone.name); }
    };
    std::visit(Visitor{desired}, event);
}

void DesiredWatch::apply(const Event& event) {
    test::apply(cluster_, event);
    test::apply(desired_, event);
    if (const auto* policy = std::get_if<NetworkPolicy>(&event)) refused_.erase(policy->name);
    if (const auto* gone = std::get_if<PolicyGone>(&event)) refused_.erase(gone->name);
}

void DesiredWatch::refuse(const ObjectName& policy) {
    desired_.refuse(policy);
    if (cluster_.policies().contains(policy)) refused_.insert(policy);
}

nft::Table DesiredWatch::expected() const {
    if (refused_.empty()) return compile_all(cluster_, options_).table;
    Cluster cluster = cluster_;
    for (const auto& name : refused_) {
        auto policy = cluster.policies().at(name);
        policy.ingress_rules.clear();
        policy.egress_rules.clear();
        cluster.put(std::move(policy));
    }
    return compile_all(cluster, options_).table;
}

std::optional<std::string> DesiredWatch::check_table() {
    if (desired_.cluster() != cluster_) return "the clusters differ";
    if (desired_.own_pods() != pods_of(cluster_, options_.node)) return "the node's pods differ";
    const auto table = desired_.table();
    if (desired_.counts() != nft::count(table)) return "the counts are not the table's";
    const auto wanted = expected();
    if (table == wanted) return std::nullopt;
    return "the table is not compile_all's:\n" +
           first_difference(nft::to_text(table), nft::to_text(wanted));
}

std::optional<std::string> DesiredWatch::check_changes() {
    const auto wanted = expected();
    last_ = nft::order(options_.table, desired_.take_changes());
    if (desired_.counts() != nft::count(wanted)) return "the counts are not the table's";
    ops_ += last_.ops.size();
    const auto least = nft::plan(taken_, wanted);
    if (last_ != least) {
        return "the changes are not the least:\n" +
               first_difference(nft::to_text(last_), nft::to_text(least));
    }
    taken_ = wanted;
    for (const auto& stage : nft::Stages(last_).all()) {
        const auto committed = kernel_.commit(stage, std::nullopt);
        if (committed.has_error()) return nft::to_string(committed.error());
    }
    const auto dump = kernel_.dump(options_.table);
    if (dump.has_error()) return nft::to_string(dump.error());
    if (dump->table == wanted) return std::nullopt;
    return "the kernel holds something else:\n" +
           first_difference(dump->table ? nft::to_text(*dump->table) : "", nft::to_text(wanted));
}

std::string changes(DesiredWatch& watch) {
    const auto table = watch.check_table();
    INFO(table.value_or("the table is right"));
    REQUIRE(!table);
    const auto kernel = watch.check_changes();
    INFO(kernel.value_or("the kernel is right"));
    REQUIRE(!kernel);
    return nft::to_text(watch.last());
}

}  // namespace podfence::test
