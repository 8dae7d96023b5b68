#pragma once

#include <chrono>
#include <cstddef>

/// Bounds on what input may cost. Each is far above what a real cluster needs and low enough that
/// memory and time stay small whatever is fed in; passing one is an error that names it.
namespace podfence::limits {

/// One file, pipe or device. 50,000 pods as kubectl prints them are about half of it.
inline constexpr std::size_t kSourceBytes = std::size_t{1} << 30;
/// One object: a document that is no list, or one item of a list. The API server stores at most
/// about 1.5 MiB (N50).
inline constexpr std::size_t kObjectBytes = std::size_t{8} << 20;
/// Values in one object after dropping fields that do not matter.
inline constexpr std::size_t kObjectNodes = 250'000;
/// Nesting; schemas of custom resources reach about 60.
inline constexpr std::size_t kDepth = 200;
/// YAML anchors in one document, and values they may hold or expand to ("billion laughs").
inline constexpr std::size_t kAnchors = 1'000;
inline constexpr std::size_t kAliasNodes = 100'000;
/// Values of items waiting for the kind of their typed list, when that is written after the items.
inline constexpr std::size_t kPendingNodes = 1'000'000;
/// Problems reported one by one, errors and warnings each; the rest is counted.
inline constexpr std::size_t kProblems = 100;
/// Directories inside directories, and entries read in all of them.
inline constexpr std::size_t kDirectoryDepth = 32;
inline constexpr std::size_t kDirectoryEntries = 100'000;
/// Addresses and blocks that one pod's annotation may list.
inline constexpr std::size_t kExtraAddresses = 32;
/// What is quoted of an offending value.
inline constexpr std::size_t kQuotedBytes = 80;
/// Bytes asked of the kernel at once.
inline constexpr std::size_t kReadBytes = std::size_t{128} << 10;
/// How long a named FIFO may be without a writer.
inline constexpr std::chrono::milliseconds kFifoWait{10'000};

}  // namespace podfence::limits
