// What `podfence status` says to a person.
#include <algorithm>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "cmd/json_view.hpp"
#include "cmd/status.hpp"

namespace podfence::cmd {

namespace {

namespace json = boost::json;

/// Lists are cut here for a screen; -o json has more.
constexpr std::size_t kListedMax = 10;
constexpr std::size_t kLabelWidth = 12;

/// "3 h 12 min", or "" where a time is missing.
std::string since(const View& status, const View& time) {
    const auto now = status["now"].time();
    const auto then = time.time();
    return now && then ? text_of_seconds(std::max<std::int64_t>(*now - *then, 0)) : "";
}
std::string ago(const View& status, const View& time) {
    const std::string text = since(status, time);
    return text.empty() ? "never" : text + " ago";
}
std::string until(const View& status, const View& time) {
    const auto now = status["now"].time();
    const auto then = time.time();
    return now && then ? "in " + text_of_seconds(std::max<std::int64_t>(*then - *now, 0)) : "soon";
}

std::string microseconds(std::int64_t us) {
    if (us < 10'000) return std::to_string(us) + " us";
    return us < 10'000'000 ? std::to_string(us / 1000) + " ms" : text_of_seconds(us / 1'000'000);
}

void line(Output& out, const std::string& label, const std::string& text, Tone tone = Tone::plain) {
    out.line(padded(label, kLabelWidth) + out.paint(tone, text));
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
    return text;
}

/// Kinds that are not followed now.
std::vector<View> lost_sources(const View& status) {
    std::vector<View> lost;
    for (const View& source : status["sources"].items()) {
        if (!source["error"].is_null()) lost.push_back(source);
    }
    return lost;
}

void print_sources(Output& out, const View& status) {
    line(out, "source", status["origin"].text());
    for (const View& source : status["sources"].items()) {
        std::string text = padded(source["kind"].text(), 16) +
                           padded_left(with_thousands(source["objects"].count()), 9) + "  " +
                           source["state"].text() + ", heard " + ago(status, source["last_heard"]);
        if (const std::size_t restarts = source["restarts"].count(); restarts > 0) {
            text += ", " + count_of(restarts, "restart");
        }
        line(out, "", text);
        if (source["error"].is_null()) continue;
        line(out, "",
             "  " + source["error"].text() +
                 (source["remedy"].is_null() ? "" : " (" + source["remedy"].text() + ")"),
             Tone::bad);
        if (!source["next_attempt"].is_null()) {
            line(out, "", "  next attempt " + until(status, source["next_attempt"]));
        }
    }
}

void print_commits(Output& out, const View& status) {
    const auto commits = status["commits"]["last"].items();
    if (commits.empty()) return line(out, "last commit", "none yet");
    const View& last = commits.back();
    line(out, "last commit",
         ago(status, last["at"]) + ": " + count_of(last["operations"].count(), "operation") + ", " +
             microseconds(last["latency_us"].number()) + " from event to kernel");
    std::vector<std::int64_t> latencies;
    for (const View& commit : commits) latencies.push_back(commit["latency_us"].number());
    std::sort(latencies.begin(), latencies.end());
    line(out, "",
         count_of(status["commits"]["total"].count(), "commit") + " since the start; of the last " +
             std::to_string(commits.size()) + " the median took " +
             microseconds(latencies[latencies.size() / 2]) + ", the slowest " +
             microseconds(latencies.back()));
}

void print_drift(Output& out, const View& status) {
    const View drift = status["drift"];
    const std::size_t total = drift["repaired_total"].count();
    if (total == 0) return line(out, "drift", "none seen");
    std::vector<std::string> reasons;
    for (const auto& [reason, count] : drift["repaired_by_reason"].members()) {
        reasons.push_back(with_thousands(count.count()) + " by " + reason);
    }
    line(out, "drift", "repaired " + count_of(total, "time") + " (" + joined(reasons) + ")",
         Tone::warn);
    const auto last = drift["last"].items();
    for (std::size_t i = last.size() - std::min<std::size_t>(last.size(), 3); i < last.size();
         ++i) {
        const View& repair = last[i];
        std::string text = ago(status, repair["at"]) + ": " + repair["repaired"].text();
        if (repair["repaired"].text().empty()) {
            text += count_of(repair["operations"].count(), "operation");
        }
        if (!repair["culprit"].is_null()) {
            text += ", changed by " + repair["culprit"]["process"].text() + " (pid " +
                    std::to_string(repair["culprit"]["pid"].number()) + ")";
        }
        line(out, "", text);
    }
}

void print_canary(Output& out, const View& status) {
    const View canary = status["canary"];
    if (canary.is_null()) return;
    const std::string state = canary["state"].text();
    const std::string time = ago(status, canary["at"]);
    if (state == "enforced") {
        return line(out, "proof", "packets met the rules " + time, Tone::good);
    }
    if (state == "pending") return line(out, "proof", "waiting for the first one");
    const bool tried = state != "impossible";
    line(out, "proof",
         (tried ? "FAILED " : "could not be tried ") + time + ": " + canary["reason"].text(),
         tried ? Tone::bad : Tone::warn);
    line(out, "", "last proven " + ago(status, canary["enforced_at"]) + "; see podfence doctor");
}

/// How many the agent has of a list, those that it left out among them.
std::size_t total_of(const View& owner, const std::string& list) {
    return owner[list].items().size() + owner[list + "_left_out"].count();
}

/// The first ones of a list, by `print`, and how many more there are.
template <class Print>
void print_listed(Output& out, const View& owner, const std::string& list, const Print& print) {
    const auto items = owner[list].items();
    const std::size_t listed = std::min(items.size(), kListedMax);
    for (std::size_t i = 0; i < listed; ++i) print(items[i]);
    if (const std::size_t total = total_of(owner, list); total > listed) {
        line(out, "", "... and " + with_thousands(total - listed) + " more; -o json has them");
    }
}

/// Pods with what is wrong with each.
void print_listed_pods(Output& out, const View& owner, const std::string& list) {
    print_listed(out, owner, list, [&](const View& pod) {
        line(out, "",
             "  " + pod["namespace"].text() + "/" + pod["name"].text() + ": " + pod["text"].text());
    });
}

std::string problem_text(const View& problem) {
    std::string text = problem["field"].text();
    text += (text.empty() ? "" : ": ") + problem["message"].text();
    const std::string remedy = problem["remedy"].text();
    return remedy.empty() ? text : text + " (" + remedy + ")";
}

void print_policies(Output& out, const View& status) {
    const std::size_t total = total_of(status, "policies_in_trouble");
    if (total == 0) return;
    line(out, "trouble",
         count_of(total, "policy") + " not enforced as written; what they would allow is denied:",
         Tone::bad);
    print_listed(out, status, "policies_in_trouble", [&](const View& policy) {
        line(out, "",
             policy["namespace"].text() + "/" + policy["name"].text() +
                 (policy["refused_by_kernel"].is_true() ? ": the kernel refuses it" : ""),
             Tone::strong);
        for (const View& problem : policy["problems"].items()) {
            line(out, "", "  " + problem_text(problem));
        }
    });
}

void print_input_problems(Output& out, const View& status) {
    std::string title = "input";
    print_listed(out, status, "input_problems", [&](const View& problem) {
        const std::string file = problem["file"].text();
        line(out, std::exchange(title, ""),
             file + (file.empty() ? "" : ": ") + problem_text(problem), Tone::bad);
    });
}

void print_pods(Output& out, const View& status) {
    const View pods = status["pods"];
    line(out, "pods",
         with_thousands(pods["local"].count()) + " on this node, " +
             with_thousands(pods["isolated"].count()) + " of them isolated by policies");
    const std::size_t total = total_of(pods, "unenforced");
    if (total == 0) return;
    line(out, "", with_thousands(total) + " that policies do not judge:");
    print_listed_pods(out, pods, "unenforced");
}

void print_held(Output& out, const View& anti) {
    const std::size_t total = total_of(anti, "held");
    if (total == 0) return;
    line(out, "", count_of(total, "interface") + " held, of pods that are not known:");
    print_listed(out, anti, "held", [&](const View& held) {
        std::vector<std::string> addresses;
        for (const View& one : held["addresses"].items()) addresses.push_back(one.text());
        line(out, "",
             "  " + held["interface"].text() +
                 (addresses.empty() ? "" : " (" + joined(addresses) + ")"));
    });
}

/// Whose source addresses are proved at their interfaces.
void print_anti_spoof(Output& out, const View& status) {
    const View anti = status["anti_spoof"];
    if (anti.is_null()) return;  // An agent that does not know of it yet.
    if (anti["mode"].text() == "off") return line(out, "anti-spoof", "off", Tone::warn);
    const std::string refused =
        with_thousands(anti["refused_packets"].count()) +
        (anti["mode"].text() == "audit" ? " packets would be refused" : " packets refused");
    line(out, "anti-spoof",
         anti["mode"].text() + ", " + count_of(total_of(anti, "interfaces"), "interface") + ", " +
             refused);
    if (!anti["error"].is_null()) line(out, "", anti["error"].text(), Tone::bad);
    print_held(out, anti);
    const std::size_t total = total_of(anti, "unproved");
    if (total == 0) return;
    line(out, "", count_of(total, "pod") + " whose sources are not proved:", Tone::warn);
    print_listed_pods(out, anti, "unproved");
}

/// What pods that nobody knows yet may; nothing is said where they may everything.
void print_unknown_pods(Output& out, const View& status) {
    const View unknown = status["unknown_pods"];
    if (unknown["mode"].text() != "hold") return;
    std::vector<std::string> ranges;
    for (const View& range : unknown["pod_cidrs"].items()) ranges.push_back(range.text());
    if (!ranges.empty()) {
        return line(out, "unknown",
                    "pods are held in " + joined(ranges) + " (" + unknown["known_by"].text() + ")");
    }
    line(out, "unknown", "pods are NOT HELD YET: which addresses are pods' is not known",
         Tone::bad);
    if (unknown["error"].is_null()) return;
    line(out, "", unknown["error"].text() + " (" + unknown["remedy"].text() + ")", Tone::bad);
}

/// What was set, by what; options that kept their defaults are not listed.
void print_settings(Output& out, const View& status) {
    std::string title = "settings";
    for (const View& setting : status["settings"].items()) {
        const std::string value = setting["value"].text();
        line(out, title,
             setting["option"].text() + ": " + (value.empty() ? "''" : value) + "  (" +
                 setting["origin"].text() + ")");
        title = "";
    }
}

}  // namespace

std::string text_of_seconds(std::int64_t seconds) {
    const auto two = [](std::int64_t big, const char* big_unit, std::int64_t small,
                        const char* small_unit) {
        std::string text = std::to_string(big) + " " + big_unit;
        if (small > 0) text += " " + std::to_string(small) + " " + small_unit;
        return text;
    };
    if (seconds < 60) return std::to_string(seconds) + " s";
    if (seconds < 3600) return std::to_string(seconds / 60) + " min";
    if (seconds < 86400) return two(seconds / 3600, "h", seconds % 3600 / 60, "min");
    return two(seconds / 86400, "d", seconds % 86400 / 3600, "h");
}

bool is_unproven(const json::value& status) {
    const std::string state = View(&status)["canary"]["state"].text();
    return state == "bypassed" || state == "unproven";
}

bool is_unguarded(const json::value& status) {
    const View anti = View(&status)["anti_spoof"];
    return anti["mode"].text() == "enforce" && !anti["in_sync"].is_true();
}

bool in_sync(const json::value& status) {
    return View(&status)["in_sync"].is_true();
}

StatusLine headline(const json::value& value) {
    const View status(&value);
    const std::string node = "node " + status["node"].text() + ": ";
    if (in_sync(value) && is_unproven(value)) {
        const bool bypassed = status["canary"]["state"].text() == "bypassed";
        return {.tone = Tone::bad,
                .text = node +
                        (bypassed ? "NOT ENFORCING, though in sync: "
                                  : "IN SYNC, BUT NOT PROVEN TO ENFORCE: ") +
                        status["canary"]["reason"].text()};
    }
    if (in_sync(value) && is_unguarded(value)) {
        const std::string why = status["anti_spoof"]["error"].text();
        return {.tone = Tone::bad,
                .text = node + "ENFORCING, BUT SOURCES ARE NOT PROVED at pods' interfaces" +
                        (why.empty() ? " yet" : ": " + why)};
    }
    if (in_sync(value)) {
        const std::string time = since(status, status["in_sync_since"]);
        const std::string synced = "ENFORCING, in sync" + (time.empty() ? "" : " for " + time);
        const auto lost = lost_sources(status);
        if (lost.empty()) return {.tone = Tone::good, .text = node + synced};
        return {.tone = Tone::warn,
                .text = node + "ENFORCING WHAT WAS KNOWN " + ago(status, lost[0]["last_heard"]) +
                        ": " + lost[0]["error"].text()};
    }
    if (status["state"].text() == "failing") {
        const std::string time = since(status, status["failure"]["since"]);
        return {.tone = Tone::bad,
                .text = node + "NOT IN SYNC" + (time.empty() ? "" : " for " + time) + ": " +
                        status["summary"].text()};
    }
    return {.tone = Tone::bad, .text = node + "NOT IN SYNC: " + status["summary"].text()};
}

std::string watch_line(const json::value& value) {
    const View status(&value);
    if (in_sync(value) && is_unproven(value)) {
        return "NOT PROVEN TO ENFORCE: " + status["canary"]["reason"].text();
    }
    std::string text = in_sync(value) ? "ENFORCING" : "NOT IN SYNC: " + status["summary"].text();
    for (const View& source : lost_sources(status)) {
        text += ", " + source["kind"].text() + " not followed: " + source["error"].text();
    }
    const auto commits = status["commits"]["last"].items();
    text += "; " + count_of(status["commits"]["total"].count(), "commit");
    if (!commits.empty()) {
        text += ", last " + commits.back()["at"].text() + ": " +
                count_of(commits.back()["operations"].count(), "operation") + " in " +
                microseconds(commits.back()["latency_us"].number());
    }
    text += "; drift repaired " + count_of(status["drift"]["repaired_total"].count(), "time");
    const std::size_t trouble = total_of(status, "policies_in_trouble");
    if (trouble > 0) text += "; " + count_of(trouble, "policy") + " in trouble";
    return text;
}

void print_status(Output& out, const json::value& value) {
    const View status(&value);
    const StatusLine head = headline(value);
    out.line(out.paint(head.tone, head.text));
    if (!in_sync(value)) {
        std::string text = "what the kernel held before goes on being enforced";
        if (const View failure = status["failure"]; !failure.is_null()) {
            text += "; " + count_of(failure["attempts"].count(), "attempt") + ", the next " +
                    until(status, failure["next_attempt"]);
        }
        line(out, "", text);
    }
    line(out, "agent",
         "podfence " + status["version"].text() + ", process " +
             std::to_string(status["pid"].number()) + ", started " +
             ago(status, status["started"]) + ", " +
             std::to_string(status["rss_bytes"].count() >> 20U) + " MiB");
    print_settings(out, status);
    print_sources(out, status);
    print_pods(out, status);
    print_unknown_pods(out, status);
    print_anti_spoof(out, status);
    line(out, "kernel",
         count_of(status["table"]["chains"].count(), "chain") + ", " +
             count_of(status["table"]["sets"].count(), "set") + ", " +
             count_of(status["table"]["elements"].count(), "element"));
    if (status["table"]["owned"].is_true()) {
        line(out, "", "nobody else can change them");
    } else if (const auto because = status["table"]["shared_because"].text(); !because.empty()) {
        line(out, "", "anybody may change them, which is repaired, because " + because);
    }
    print_commits(out, status);
    print_drift(out, status);
    print_canary(out, status);
    print_policies(out, status);
    print_input_problems(out, status);
}

}  // namespace podfence::cmd
