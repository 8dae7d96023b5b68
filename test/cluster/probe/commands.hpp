#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

namespace podfence::probe {

using Endpoint = boost::asio::ip::tcp::endpoint;

/// What a command gives to main: 0 all was as asked, 1 it was not, 2 bad usage.
inline constexpr int kFine = 0;
inline constexpr int kFinding = 1;
inline constexpr int kUsage = 2;

/// Accepts connections and answers each byte with one that says how often it had to send something
/// again on this connection, modulo 256; for ever.
int serve(std::uint16_t port);
enum class Expected : std::uint8_t { all, none };
enum class Until : std::uint8_t { end_of_input, known };
/// Knocks at all of them in turns, every two milliseconds, until standard input ends, or until it
/// is known of every one of them whether it can be reached. `expected`: every knock is to reach, or
/// none is; else it is a finding.
int knock(const std::vector<Endpoint>& targets, Expected expected, Until until);
/// Keeps a connection to each of them, on which it says something every few milliseconds and waits
/// for the answer, until standard input ends. One that breaks is a finding, and so is a second of
/// silence, if either end had to send something again: else it was no packet that was missing. A
/// minute of silence is one in any case.
int hold(const std::vector<Endpoint>& targets);
/// Creates and deletes a policy that denies all that is sent to `target`, `rounds` times each, and
/// measures from the request to the first connection with the new outcome. `selector` is the
/// label of the target's pod, as name=value. Runs in a pod whose service account may create and
/// delete network policies in its namespace. Prints the figures; one beyond what it must be is a
/// finding, and so is a connection with the old outcome after one with the new.
int latency(const Endpoint& target, const std::string& selector, int rounds);

}  // namespace podfence::probe
