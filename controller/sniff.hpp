#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "controller/node.hpp"
#include "controller/yaml_text.hpp"

/// Signs of a NetworkPolicy in text that cannot be parsed. Such a policy must not be lost silently:
/// it isolates its namespace until the text is mended (D12). What is found may be wrong, but only
/// towards more isolation.
namespace podfence {

struct SniffedPolicy {
    std::string ns{};    ///< Empty: none seen, or no valid one.
    std::string name{};  ///< Empty: none seen, or no valid one.
    std::uint32_t line = 0;
};

inline constexpr std::string_view kPolicyKind = "NetworkPolicy";
/// More policies than this in one unreadable piece isolate nothing that is not isolated already in
/// any real case; it only bounds memory.
inline constexpr std::size_t kMaxSniffed = 10'000;

/// Policies by their top-level lines "kind: NetworkPolicy".
std::vector<SniffedPolicy> sniff_yaml(const YamlText& text);

/// From a `metadata` that was read before its object broke off or was refused.
SniffedPolicy sniff_metadata(const Node& metadata);

}  // namespace podfence
