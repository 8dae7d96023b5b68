// What others hang on the ways of pods' packets.
#include <algorithm>
#include <iterator>

#include "controller/doctor/checks.hpp"
#include "controller/self_test/rules.hpp"

namespace podfence::doctor {

namespace {

using nft::SurveyedHook;

std::string label(const std::string& family, const std::string& table) {
    return family + " " + table;
}

std::string label(const SurveyedHook& hook) {
    return hook.family + " " + hook.table + " " + hook.chain + " (" + hook.hook + ", priority " +
           std::to_string(hook.priority) + ")";
}

const nft::SurveyedTable* table_of(const nft::Survey& survey, const SurveyedHook& hook) {
    const auto found = std::ranges::find_if(survey.tables, [&](const nft::SurveyedTable& table) {
        return table.family == hook.family && table.name == hook.table;
    });
    return found == survey.tables.end() ? nullptr : &*found;
}

/// Ours, and those of a self-test under way.
bool is_ours(const Facts& facts, const std::string& table) {
    return table == facts.table_name || table.starts_with("podfence");
}

/// Others' base chains of filters that packets on their way through the node meet.
std::vector<SurveyedHook> foreign_on_forward(const Facts& facts) {
    std::vector<SurveyedHook> hooks;
    for (const SurveyedHook& hook : facts.ruleset->hooks) {
        const bool ip = hook.family == "inet" || hook.family == "ip" || hook.family == "ip6";
        if (!ip || hook.hook != "forward" || is_ours(facts, hook.table)) continue;
        const auto* table = table_of(*facts.ruleset, hook);
        if (table != nullptr && table->dormant()) continue;
        hooks.push_back(hook);
    }
    std::ranges::sort(hooks, {}, &SurveyedHook::priority);
    return hooks;
}

std::string show(const SurveyedHook& hook) {
    return "nft list table " + hook.family + " " + hook.table;
}

/// Where packets end at the chain's end: the rules of the table make exceptions.
Finding policy_drop(const Facts& facts, const SurveyedHook& hook) {
    const bool before = hook.priority < facts.priority;
    return {.id = before ? "hook-drop-before" : "hook-drop-after",
            .level = Level::warning,
            .title = label(hook) + " drops what its rules do not accept",
            .text = before ? "it drops before podfence looks: such packets are counted nowhere in "
                             "podfence, and what policies allow may not arrive"
                           : "what podfence allows must be accepted there too, or it is dropped; "
                             "its own accept cannot save what podfence drops",
            .remedy = show(hook)};
}

/// Tables with rules that drop, one finding for all.
Finding drops_somewhere(const std::vector<SurveyedHook>& hooks) {
    std::vector<std::string> names;
    for (const SurveyedHook& hook : hooks) names.push_back(label(hook));
    return {.id = "hook-drops",
            .level = Level::note,
            .title = "others also drop what is forwarded: " + list_of(names),
            .text =
                "a packet must get past all of them; 'podfence explain' knows of policies "
                "only",
            .remedy = show(hooks.front())};
}

/// Of a run under another name (--table-name): nobody keeps them any more, and they go on denying.
Findings left_tables(const Facts& facts) {
    Findings findings;
    for (const nft::SurveyedTable& table : facts.ruleset->tables) {
        const bool named = table.name.starts_with("podfence") && table.name != facts.table_name &&
                           table.name != self_test::kTable;
        if (!named || (table.family != "inet" && table.family != "netdev")) continue;
        findings.push_back(
            {.id = "table-left",
             .level = Level::warning,
             .title = "table " + label(table.family, table.name) +
                      " is podfence's by its name, and not the one that is kept (" +
                      facts.table_name + ")",
             .text = "what its rules denied when somebody last kept them they go on denying, "
                     "whatever policies say now",
             .remedy = "podfence cleanup --force --table-name " + table.name});
    }
    return findings;
}

}  // namespace

Findings check_hooks(const Facts& facts) {
    if (!facts.ruleset) {
        return {{.id = "ruleset-unknown",
                 .level = Level::warning,
                 .title = "the ruleset cannot be read: " + facts.ruleset_error,
                 .text = "who else hangs on the hooks is not known"}};
    }
    const auto hooks = foreign_on_forward(facts);
    Findings findings = left_tables(facts);
    std::vector<SurveyedHook> dropping;
    std::vector<std::string> queueing;
    for (const SurveyedHook& hook : hooks) {
        const auto* table = table_of(*facts.ruleset, hook);
        if (hook.policy_drop) {
            findings.push_back(policy_drop(facts, hook));
        } else if (table != nullptr && table->effects.drops > 0) {
            dropping.push_back(hook);
        }
        if (table != nullptr && table->effects.queues > 0) queueing.push_back(label(hook));
    }
    if (!dropping.empty()) findings.push_back(drops_somewhere(dropping));
    if (!queueing.empty()) {
        findings.push_back(
            {.id = "hook-queue",
             .level = Level::note,
             .title = "programs decide about forwarded packets: " + list_of(queueing),
             .text = "what they accept is still judged by podfence, and the other way round"});
    }
    std::string title = hooks.empty()
                            ? "nobody else hangs on the forward hook"
                            : std::to_string(hooks.size()) +
                                  " chains of others hang on the forward hook; no accept of theirs "
                                  "can save what podfence drops";
    if (hooks.size() == 1) {
        title =
            "one chain of others hangs on the forward hook; no accept of its can save what "
            "podfence drops";
    }
    findings.insert(findings.begin(),
                    {.id = "hooks", .level = Level::ok, .title = std::move(title)});
    return findings;
}

namespace {

/// Whether the name is the device's; as flowtables and chains give it: perhaps a beginning, with a
/// star after it.
bool names(const std::string& pattern, const std::string& device) {
    if (!pattern.ends_with('*')) return pattern == device;
    return device.starts_with(pattern.substr(0, pattern.size() - 1));
}

/// Whether pods' packets come by it: where pods are known, by what leads to them, else by its kind.
bool carries_pods(const std::vector<Interface>& all, const Interface& one) {
    const bool known = std::ranges::any_of(all, [](const Interface& any) { return any.pods > 0; });
    if (!known) return one.kind == "veth" || one.kind == "bridge";
    return one.pods > 0 || std::ranges::any_of(all, [&](const Interface& bridge) {
               return bridge.pods > 0 && bridge.kind == "bridge" && bridge.index == one.bridge;
           });
}

/// Those of the devices that pods' packets come by, by name.
std::vector<std::string> pod_devices(const Facts& facts, const std::vector<std::string>& devices) {
    std::vector<std::string> found;
    const auto all = facts.interfaces.value_or(std::vector<Interface>());
    for (const Interface& one : all) {
        const bool named = std::ranges::any_of(
            devices, [&](const std::string& device) { return names(device, one.name); });
        if (named && carries_pods(all, one)) found.push_back(one.name);
    }
    return found;
}

Finding describe_flowtable(const Facts& facts, const nft::SurveyedFlowtable& flow) {
    const std::string name = label(flow.family, flow.table) + " " + flow.name;
    const auto table =
        std::ranges::find_if(facts.ruleset->tables, [&](const nft::SurveyedTable& one) {
            return one.family == flow.family && one.name == flow.table;
        });
    const bool used =
        table != facts.ruleset->tables.end() && !table->dormant() && table->effects.offloads > 0;
    if (!used) {
        return {.id = "flowtable-idle",
                .level = Level::note,
                .title = "no rule puts connections into the flowtable " + name};
    }
    const auto pods = pod_devices(facts, flow.devices);
    const bool bypass = !pods.empty() && facts.agent.cuts_established;
    return {.id = flow.hardware ? "flowtable-hardware" : "flowtable",
            .level = bypass ? Level::error : Level::warning,
            .title = "flowtable " + name + " takes connections past the forward hook (devices " +
                     list_of(pods.empty() ? flow.devices : pods) + ")",
            .text =
                "a new connection is still judged; one that is in the flowtable goes on when "
                "a policy takes its permission away, and --established=cut cannot cut it",
            .remedy = "remove the rules with 'flow add @" + flow.name + "' (nft -a list table " +
                      label(flow.family, flow.table) + "), then nft delete flowtable " + name};
}

Findings flowtable_findings(const Facts& facts) {
    Findings findings;
    for (const nft::SurveyedFlowtable& flow : facts.ruleset->flowtables) {
        findings.push_back(describe_flowtable(facts, flow));
    }
    return findings;
}

/// A chain on a device that sends what comes in to another one; nullopt: it is not a pod's.
std::optional<Finding> describe_forwarder(const Facts& facts, const SurveyedHook& hook) {
    const auto pods = pod_devices(facts, hook.devices);
    if (hook.hook != "ingress" || pods.empty()) return std::nullopt;
    return Finding{.id = "hook-forwards",
                   .level = Level::error,
                   .title = label(hook) + " sends packets of pods (" + list_of(pods) +
                            ") on by another interface",
                   .text = "what it takes passes no hook: policies are NOT enforced on it",
                   .remedy = show(hook) + ", and remove the rules with 'fwd'"};
}

/// Chains in front of the forward hook, where packets can leave the way or end.
Findings early_chain_findings(const Facts& facts) {
    Findings findings;
    for (const SurveyedHook& hook : facts.ruleset->hooks) {
        if (is_ours(facts, hook.table)) continue;
        const auto* table = table_of(*facts.ruleset, hook);
        if (table == nullptr || table->dormant()) continue;
        const bool early = hook.family == "netdev" || hook.family == "bridge" ||
                           hook.hook == "ingress" || hook.hook == "prerouting";
        if (!early) continue;
        const bool forwards = table->effects.forwards > 0;
        if (auto forwarder = describe_forwarder(facts, hook); forwards && forwarder) {
            findings.push_back(*std::move(forwarder));
        } else if (forwards || table->effects.diverts > 0) {
            findings.push_back(
                {.id = "hook-diverts",
                 .level = Level::warning,
                 .title = label(hook) + " takes packets off their way (fwd, dup or tproxy)",
                 .text = "what it takes does not come to the forward hook and is judged by no "
                         "policy",
                 .remedy = show(hook)});
        }
        const bool link = hook.family == "netdev" || hook.family == "bridge";
        if (link && (hook.policy_drop || hook.effects.drops > 0)) {
            findings.push_back({.id = "hook-drop-early",
                                .level = Level::note,
                                .title = label(hook) + " drops packets on their link",
                                .text = "it does so before podfence looks",
                                .remedy = show(hook)});
        }
        if (table->effects.untracks > 0) {
            findings.push_back(
                {.id = "hook-untracked",
                 .level = Level::warning,
                 .title = label(hook) + " takes packets out of connection tracking",
                 .text = "replies of such connections are not known as replies: they need a policy "
                         "of their own",
                 .remedy = show(hook)});
        }
    }
    return findings;
}

bool may_carry_pods(const Facts& facts, const std::string& name) {
    if (!facts.interfaces) return true;
    return std::ranges::any_of(*facts.interfaces, [&](const Interface& one) {
        return one.name == name && (one.kind == "veth" || one.kind == "bridge" || one.pods > 0);
    });
}

Findings program_findings(const Facts& facts) {
    std::vector<std::string> on_pods;
    std::vector<std::string> elsewhere;
    for (const TcHook& hook : facts.tc.value_or(std::vector<TcHook>())) {
        const std::string text = hook.interface + " " + (hook.ingress ? "ingress" : "egress") +
                                 ": " + hook.kind + (hook.name.empty() ? "" : " " + hook.name);
        (may_carry_pods(facts, hook.interface) ? on_pods : elsewhere).push_back(text);
    }
    for (const Interface& one : facts.interfaces.value_or(std::vector<Interface>())) {
        if (!one.xdp) continue;
        (may_carry_pods(facts, one.name) ? on_pods : elsewhere).push_back(one.name + ": XDP");
    }
    Findings findings;
    if (!on_pods.empty()) {
        findings.push_back(
            {.id = "programs-on-pods",
             .level = Level::warning,
             .title =
                 "programs or filters see pods' packets before the rules do: " + list_of(on_pods),
             .text = "one that redirects packets takes them past podfence; whether it does only "
                     "its owner knows",
             .remedy = "podfence doctor --self-test"});
    }
    if (!elsewhere.empty()) {
        findings.push_back(
            {.id = "programs-elsewhere",
             .level = Level::note,
             .title = "programs or filters on other interfaces: " + list_of(elsewhere)});
    }
    return findings;
}

}  // namespace

Findings check_bypasses(const Facts& facts) {
    Findings findings;
    const auto add = [&](Findings more) {
        findings.insert(findings.end(), std::make_move_iterator(more.begin()),
                        std::make_move_iterator(more.end()));
    };
    if (facts.ruleset) {
        add(flowtable_findings(facts));
        add(early_chain_findings(facts));
    }
    add(program_findings(facts));
    if (findings.empty() && facts.ruleset && facts.tc) {
        findings.push_back({.id = "bypasses",
                            .level = Level::ok,
                            .title = "no flowtable, program or rule takes packets past the hooks"});
    }
    return findings;
}

Findings check_legacy(const Facts& facts) {
    if (facts.legacy_tables.empty()) return {};
    return {{.id = "iptables-legacy",
             .level = Level::note,
             .title = "iptables-legacy is in use beside nftables: " + list_of(facts.legacy_tables),
             .text = "its rules are not shown by nft and were not looked at; they too can drop "
                     "what podfence allows, and not save what it drops",
             .remedy = "iptables-legacy-save; ip6tables-legacy-save"}};
}

}  // namespace podfence::doctor
