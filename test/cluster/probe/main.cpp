// podfence_probe: what runs in the pods of a trial and tells what their packets do.
#include <charconv>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include "test/cluster/probe/commands.hpp"

namespace podfence::probe {
namespace {

constexpr const char* kHelp =
    "usage: podfence_probe serve PORT                     answers\n"
    "       podfence_probe reach all|none PORT ADDRESS... once; status 1: not so\n"
    "       podfence_probe knock all|none PORT ADDRESS... until stdin ends; status 1: not so\n"
    "       podfence_probe hold PORT ADDRESS...           until stdin ends; status 1: broken\n"
    "       podfence_probe latency PORT ADDRESS LABEL=VALUE ROUNDS\n";

std::optional<int> number(std::string_view text, int at_most) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > at_most)
        return std::nullopt;
    return value;
}

std::optional<std::uint16_t> port_of(std::string_view text) {
    constexpr int kPortMax = 65535;
    if (const auto value = number(text, kPortMax)) return static_cast<std::uint16_t>(*value);
    return std::nullopt;
}

/// "PORT ADDRESS..." from `at` on; empty if any of it is not so.
std::vector<Endpoint> endpoints(const std::vector<std::string>& words, std::size_t at) {
    std::vector<Endpoint> found;
    const auto port = at < words.size() ? port_of(words[at]) : std::nullopt;
    if (!port) return {};
    for (std::size_t i = at + 1; i < words.size(); ++i) {
        boost::system::error_code error;
        const auto address = boost::asio::ip::make_address(words[i], error);
        if (error) return {};
        found.emplace_back(address, *port);
    }
    return found;
}

int run(const std::vector<std::string>& words) {
    const std::string command = words.empty() ? "" : words[0];
    if (command == "serve" && words.size() == 2) {
        if (const auto port = port_of(words[1])) return serve(*port);
    }
    if ((command == "reach" || command == "knock") && words.size() > 2 &&
        (words[1] == "all" || words[1] == "none")) {
        const auto targets = endpoints(words, 2);
        if (!targets.empty()) {
            return knock(targets, words[1] == "all" ? Expected::all : Expected::none,
                         command == "reach" ? Until::known : Until::end_of_input);
        }
    }
    if (command == "hold") {
        const auto targets = endpoints(words, 1);
        if (!targets.empty()) return hold(targets);
    }
    constexpr int kRoundsMax = 1'000'000;
    if (command == "latency" && words.size() == 5) {
        const auto target = endpoints({words[1], words[2]}, 0);
        const auto rounds = number(words[4], kRoundsMax);
        if (!target.empty() && rounds && words[3].find('=') != std::string::npos)
            return latency(target.front(), words[3], *rounds);
    }
    std::cerr << kHelp;
    return kUsage;
}

}  // namespace
}  // namespace podfence::probe

int main(int argc, char** argv) {
    try {
        return podfence::probe::run({argv + 1, argv + argc});
    } catch (const std::exception& error) {
        std::cerr << "podfence_probe: " << error.what() << '\n';
        return podfence::probe::kFinding;
    }
}
