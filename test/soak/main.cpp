// Random clusters, policies, events and packets with ever new seeds, until it is told to stop or
// the judges disagree. `sudo test/run --soak` builds and starts it.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "test/sim/world.hpp"
#include "test/support/agreement.hpp"
#include "test/support/lab_agreement.hpp"
#include "test/support/lab_life.hpp"

namespace podfence {
namespace {

using Clock = std::chrono::steady_clock;

/// Two judges without packets; the agent's core in a simulated world; agents in a real one.
constexpr const char* kProperty = "property";
constexpr const char* kSimulation = "simulation";
constexpr const char* kLife = "life";

enum Exit { kAgreed = 0, kDisagreed = 1, kUsage = 2, kEnvironment = 3 };

constexpr std::uint64_t kClustersPerRound = 200;
constexpr std::uint64_t kWorldsPerRound = 4;
constexpr std::size_t kEventsPerWorld = 500;
constexpr std::size_t kStepsPerLife = 20;
/// A lab is used for so many rounds, each of which starts from what the last one left.
constexpr std::uint64_t kRoundsPerLab = 20;
constexpr std::chrono::seconds kProgressInterval{10};

struct Wired {
    std::string name;
    lab::Wiring first, second;
};
const std::vector<Wired> kLabs{{"bridge+ptp", lab::Wiring::bridge, lab::Wiring::ptp},
                               {"bridge+bridge", lab::Wiring::bridge, lab::Wiring::bridge},
                               {"ptp+ptp", lab::Wiring::ptp, lab::Wiring::ptp}};

struct Options {
    std::uint64_t seed = 0;
    std::uint64_t rounds = 0;  ///< 0: until told.
    std::string only{};        ///< A part or a lab's name; empty: everything in turns.
};

/// Ctrl-C and termination, taken only between rounds: nothing is left half done, and programs that
/// the lab runs do not die of it.
class StopRequest {
  public:
    StopRequest() {
        ::sigemptyset(&signals_);
        ::sigaddset(&signals_, SIGINT);
        ::sigaddset(&signals_, SIGTERM);
        ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    }
    bool arrived() {
        const timespec now{};
        return ::sigtimedwait(&signals_, nullptr, &now) > 0;
    }

  private:
    sigset_t signals_{};
};

class Soak {
  public:
    explicit Soak(Options options) : options_(std::move(options)) {}

    /// False: the judges disagreed.
    bool run() {
        StopRequest stop;
        for (; !options_.rounds || rounds_ < options_.rounds; ++rounds_) {
            if (stop.arrived()) break;
            if (!property_round() || !simulation_round() || !lab_round() || !life_round()) {
                return false;
            }
            if (Clock::now() < next_progress_) continue;
            next_progress_ = Clock::now() + kProgressInterval;
            progress("");
        }
        progress(", no disagreement");
        return true;
    }

  private:
    bool wanted(const std::string& part) const {
        return options_.only.empty() || options_.only == part;
    }

    bool property_round() {
        if (!wanted(kProperty)) return true;
        for (std::uint64_t i = 0; i < kClustersPerRound; ++i) {
            const std::uint64_t seed = options_.seed + rounds_ * kClustersPerRound + i;
            if (const auto found = test::find_disagreement(seed, tally_)) {
                return report(kProperty, seed, *found);
            }
        }
        return true;
    }

    bool simulation_round() {
        if (!wanted(kSimulation)) return true;
        for (std::uint64_t i = 0; i < kWorldsPerRound; ++i) {
            const std::uint64_t seed = options_.seed + rounds_ * kWorldsPerRound + i;
            test::World world(seed);
            const std::string wrong = world.run(kEventsPerWorld);
            simulated_ += world.tally().events;
            if (!wrong.empty()) return report(kSimulation, seed, wrong);
        }
        return true;
    }

    /// It takes long, so in turns with the others it comes once a lab.
    bool life_round() {
        if (!wanted(kLife)) return true;
        if (options_.only.empty() && (rounds_ + 1) % kRoundsPerLab != 0) return true;
        rig_.reset();  // The next round makes another one.
        const std::uint64_t seed = options_.seed + rounds_;
        try {
            lab::Life life(seed % 2 == 0 ? lab::Wiring::bridge : lab::Wiring::ptp, seed);
            for (std::size_t step = 0; step < kStepsPerLife; ++step) {
                if (const auto wrong = life.step()) return report(kLife, seed, *wrong);
            }
            lived_ += life.totals().events;
            return true;
        } catch (const lab::Failure& failure) {
            return report(kLife, seed, failure.what());
        }
    }

    bool lab_round() {
        if (std::ranges::none_of(kLabs, [&](const Wired& lab) { return wanted(lab.name); })) {
            return true;
        }
        if (rounds_ % kRoundsPerLab == 0) change_lab();
        const std::uint64_t seed = options_.seed + rounds_;
        try {
            const auto found = lab::play(*rig_, seed);
            real_flows_ += lab::PlaySize{}.flows();
            return !found || report(wiring_, seed, *found);
        } catch (const lab::Failure& failure) {
            return report(wiring_, seed, failure.what());
        }
    }

    void change_lab() {
        rig_.reset();  // Two labs would claim the same addresses of one host less.
        std::vector<Wired> labs;
        for (const Wired& wired : kLabs) {
            if (wanted(wired.name)) labs.push_back(wired);
        }
        const Wired& next = labs[rounds_ / kRoundsPerLab % labs.size()];
        wiring_ = next.name;
        rig_ = std::make_unique<lab::Rig>(lab::agreement_lab(next.first, next.second),
                                          lab::kAgreementPorts);
    }

    void progress(const std::string& end) const {
        const auto took = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - start_);
        std::cout << "soak: " << took.count() << " s, " << rounds_ << " rounds, " << tally_.flows
                  << " flows judged twice, " << real_flows_ << " real flows judged three times, "
                  << simulated_ << " events simulated, " << lived_ << " lived through"
                  << (wiring_.empty() ? "" : ", lab " + wiring_) << ", first seed " << options_.seed
                  << end << std::endl;
    }

    bool report(const std::string& part, std::uint64_t seed, const std::string& found) const {
        progress(", DISAGREEMENT");
        std::cout << found << "\nto see it again: sudo test/run --soak --only " << part
                  << " --seed " << seed << " --rounds 1\n"
                  << "the whole run was: sudo test/run --soak --seed " << options_.seed
                  << (options_.only.empty() ? "" : " --only " + options_.only) << std::endl;
        return false;
    }

    Options options_;
    Clock::time_point start_ = Clock::now();
    Clock::time_point next_progress_ = start_ + kProgressInterval;
    std::uint64_t rounds_ = 0;
    test::Tally tally_{};
    std::uint64_t real_flows_ = 0;
    std::size_t simulated_ = 0;
    std::size_t lived_ = 0;
    std::string wiring_{};
    std::unique_ptr<lab::Rig> rig_{};
};

int soak(int argc, char** argv) {
    CLI::App app(
        "Judges random clusters by the oracle, by a walk through the compiled rules and "
        "by real packets; lets the agent live through simulated and real events; with new "
        "seeds, until Ctrl-C or the first disagreement.");
    Options options{.seed = std::random_device{}()};
    std::vector<std::string> parts{kProperty, kSimulation, kLife};
    for (const Wired& wired : kLabs) parts.push_back(wired.name);
    app.add_option("--seed", options.seed, "First seed; else a new one, which is printed");
    app.add_option("--rounds", options.rounds, "So many rounds; else until told");
    app.add_option("--only", options.only, "Only this part, or only this lab")
        ->check(CLI::IsMember(parts));
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kAgreed : kUsage;
    }
    std::cout << "soak: first seed " << options.seed
              << (options.rounds == 0 ? ", until Ctrl-C" : "") << std::endl;
    try {
        return Soak(options).run() ? kAgreed : kDisagreed;
    } catch (const lab::Failure& failure) {
        std::cerr << "error: the lab cannot be made: " << failure.what() << std::endl;
        return kEnvironment;
    }
}

}  // namespace
}  // namespace podfence

int main(int argc, char** argv) {
    return podfence::soak(argc, argv);
}
