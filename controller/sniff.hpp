#pragma once

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

/// Policies by their top-level lines "kind: NetworkPolicy".
std::vector<SniffedPolicy> sniff_yaml(const YamlText& text);

/// From a `metadata` that was read before its object broke off or was refused.
SniffedPolicy sniff_metadata(const Node& metadata);

/// Looks for "kind": "NetworkPolicy" in JSON fed line by line; needs no well-formed input.
class JsonSniffer {
  public:
    void feed(std::string_view text, std::uint32_t line);
    std::vector<SniffedPolicy> take() { return std::move(found_); }

  private:
    void end_string(std::uint32_t line);

    std::vector<SniffedPolicy> found_{};
    std::string token_{};
    std::string key_{};
    bool in_string_ = false;
    bool escaped_ = false;
    bool after_colon_ = false;
};

}  // namespace podfence
