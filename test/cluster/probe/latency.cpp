// From an API request to packets: how long until the first connection has the new outcome?
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "test/bench/figure.hpp"
#include "test/cluster/http.hpp"
#include "test/cluster/probe/commands.hpp"
#include "test/cluster/probe/observed.hpp"

namespace podfence::probe {
namespace {

using std::chrono::milliseconds;

/// Half of it is what a figure is too large by on average.
constexpr std::chrono::microseconds kPace{500};
constexpr milliseconds kPatience{150};
constexpr std::chrono::seconds kOutcomeMax{10};
constexpr int kWarmUp = 5;

std::string content(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot read " + path);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr) throw std::runtime_error(std::string("not in a pod: no ") + name);
    return value;
}

double ms_between(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double, std::milli>(to - from).count();
}

/// The policies of this pod's namespace, on a connection that stays open.
class Policies {
  public:
    explicit Policies(const std::string& selector)
        : http_(environment("KUBERNETES_SERVICE_HOST"),
                static_cast<std::uint16_t>(std::stoi(environment("KUBERNETES_SERVICE_PORT"))),
                kAccount + "/ca.crt"),
          token_(content(kAccount + "/token")),
          path_("/apis/networking.k8s.io/v1/namespaces/" + content(kAccount + "/namespace") +
                "/networkpolicies"),
          label_(selector.substr(0, selector.find('='))),
          value_(selector.substr(selector.find('=') + 1)) {}

    /// Nobody may reach the pods with the label.
    void create(const std::string& name) {
        const boost::json::object policy{{"apiVersion", "networking.k8s.io/v1"},
                                         {"kind", "NetworkPolicy"},
                                         {"metadata", {{"name", name}}},
                                         {"spec",
                                          {{"podSelector", {{"matchLabels", {{label_, value_}}}}},
                                           {"policyTypes", boost::json::array{"Ingress"}}}}};
        ask({.method = "POST", .target = path_, .body = boost::json::serialize(policy)});
    }
    void remove(const std::string& name) {
        ask({.method = "DELETE", .target = path_ + "/" + name});
    }

  private:
    inline static const std::string kAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

    void ask(lab::HttpRequest request) {
        request.bearer = token_;
        const auto answer = http_.ask(request);
        const std::string doing = request.method + " " + request.target + ": ";
        if (!answer) throw std::runtime_error(doing + http_.error());
        constexpr int kOkEnd = 300;
        if (answer->status >= kOkEnd) throw std::runtime_error(doing + answer->body);
    }

    lab::Http http_;
    std::string token_;
    std::string path_;
    std::string label_;
    std::string value_;
};

struct Samples {
    std::vector<double> outcome_ms;  ///< Request to the first connection with the new outcome.
    std::vector<double> answer_ms;   ///< Request to the API server's answer.
};

class Meter {
  public:
    Meter(const Endpoint& target, const std::string& selector)
        : policies_(selector), observed_(target, kPace, kPatience) {}

    /// The new outcome is silence, which counts from the moment when the knock was made.
    void deny(const std::string& name, Samples& samples) {
        const auto asked = Clock::now();
        policies_.create(name);
        samples.answer_ms.push_back(ms_between(asked, Clock::now()));
        auto last_reached = asked;
        Knock knock = next_since(asked);
        while (knock.reached || knock.begin < asked) {
            if (knock.reached) last_reached = std::max(last_reached, knock.begin);
            knock = next_since(asked);
        }
        samples.outcome_ms.push_back(ms_between(asked, knock.begin));
        if (last_reached > knock.begin) ++contradictions_;
    }

    /// The new outcome is an answer, which counts when it has come.
    void allow(const std::string& name, Samples& samples) {
        const auto asked = Clock::now();
        policies_.remove(name);
        samples.answer_ms.push_back(ms_between(asked, Clock::now()));
        Knock knock = next_since(asked);
        while (!knock.reached) knock = next_since(asked);
        samples.outcome_ms.push_back(ms_between(asked, knock.end));
        if (knock.end < asked) ++contradictions_;
    }

    /// Watches that the outcome stays, longer than patience and as long as chance wants, so that
    /// requests do not keep step with anything.
    void rest(bool reached) {
        const auto begin = Clock::now();
        const auto until = begin + kPatience + milliseconds(50 + chance_() % 50);
        while (const auto knock = observed_.next(until)) {
            if (knock->reached != reached && knock->begin > begin) ++contradictions_;
        }
    }

    /// Connections with the old outcome after one with the new.
    int contradictions() const { return contradictions_; }

  private:
    Knock next_since(Clock::time_point asked) {
        const auto knock = observed_.next(asked + kOutcomeMax);
        if (!knock || knock->begin > asked + kOutcomeMax)
            throw std::runtime_error("the outcome did not change in 10 s");
        return *knock;
    }

    Policies policies_;
    Observed observed_;
    std::minstd_rand chance_{std::random_device()()};
    int contradictions_ = 0;
};

void report(bench::Report& table, const std::string& name, const Samples& samples) {
    using bench::Measure;
    constexpr double kP50Max = 12;
    constexpr double kP99Max = 40;
    table.print({.name = name,
                 .unit = "ms",
                 .samples = samples.outcome_ms,
                 .demand = {{.of = Measure::p50, .bound = kP50Max}},
                 .floor = bench::quantile(samples.answer_ms, 0.5),
                 .note = "max " + std::to_string(bench::quantile(samples.outcome_ms, 1))});
    table.print({.name = name,
                 .unit = "ms",
                 .samples = samples.outcome_ms,
                 .demand = {{.of = Measure::p99, .bound = kP99Max}},
                 .floor = bench::quantile(samples.answer_ms, 0.99)});
}

}  // namespace

int latency(const Endpoint& target, const std::string& selector, int rounds) {
    Meter meter(target, selector);
    Samples created;
    Samples deleted;
    for (int round = 0; round < kWarmUp + rounds; ++round) {
        if (round == kWarmUp) created = deleted = {};
        const std::string name = "latency-" + std::to_string(round);
        meter.rest(true);
        meter.deny(name, created);
        meter.rest(false);
        meter.allow(name, deleted);
    }
    // The API server's own answer is the floor: both follow when etcd has written the change.
    bench::Report table(bench::Report::Form::table, true);
    table.start();
    report(table, "policy created -> connection denied", created);
    report(table, "policy deleted -> connection allowed", deleted);
    if (meter.contradictions() != 0) {
        bench::Report::progress(std::to_string(meter.contradictions()) +
                                " connections had the old outcome after the new one");
    }
    return table.missed() || meter.contradictions() != 0 ? kFinding : kFine;
}

}  // namespace podfence::probe
