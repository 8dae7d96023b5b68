#include <algorithm>
#include <iostream>
#include <optional>

#include "test/cluster/probe/commands.hpp"
#include "test/cluster/probe/end_of_input.hpp"
#include "test/cluster/probe/knocker.hpp"

namespace podfence::probe {

int knock(const std::vector<Endpoint>& targets, Expected expected, Until until) {
    struct Tally {
        std::size_t reached = 0;
        std::size_t missed = 0;
    };
    std::vector<Tally> tallies(targets.size());
    const auto known = [](const Tally& tally) { return tally.reached + tally.missed > 0; };
    boost::asio::io_context io;
    std::optional<EndOfInput> end;
    if (until == Until::end_of_input) end.emplace(io);
    // Just less than the second after which TCP would knock a second time.
    Knocker knocker(io,
                    {.targets = targets,
                     .pace = std::chrono::milliseconds(2),
                     .patience = std::chrono::milliseconds(900)},
                    [&](const Knock& knock) {
                        Tally& tally = tallies[knock.target];
                        ++(knock.reached ? tally.reached : tally.missed);
                        if (until == Until::known && std::ranges::all_of(tallies, known)) io.stop();
                    });
    knocker.start();
    std::cout << "knocking" << std::endl;
    io.run();
    bool as_expected = true;
    for (std::size_t i = 0; i < targets.size(); ++i) {
        const Tally& tally = tallies[i];
        std::cout << targets[i] << ": " << tally.reached << " reached, " << tally.missed
                  << " not\n";
        const bool all = tally.reached > 0 && tally.missed == 0;
        const bool none = tally.reached == 0 && tally.missed > 0;
        as_expected = as_expected && (expected == Expected::all ? all : none);
    }
    return as_expected ? kFine : kFinding;
}

}  // namespace podfence::probe
