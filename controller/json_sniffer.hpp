#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "controller/sniff.hpp"

namespace podfence {

/// Looks for objects of "kind": "NetworkPolicy" in text that was meant to be JSON. Follows braces
/// as far as they go, and needs neither them nor quotes or colons to be in order.
class JsonSniffer {
  public:
    JsonSniffer() { stack_.emplace_back(); }

    /// The next piece of the text; `line` is that of its first character.
    void feed(std::string_view text, std::uint32_t line);
    /// What was found, in the order of lines. Nothing may be fed afterwards.
    std::vector<SniffedPolicy> take();

  private:
    /// An open brace and what was seen right inside it.
    struct Level {
        bool metadata = false;   ///< Opened by that key.
        bool policy = false;     ///< Holds the kind.
        SniffedPolicy sure{};    ///< From its metadata.
        SniffedPolicy likely{};  ///< From anywhere inside.
        std::uint32_t line = 0;  ///< Of the kind.
    };

    void open();
    void close();
    void put_in_token(char c);
    void end_token(std::uint32_t line);
    void take_value(std::string_view key, std::string SniffedPolicy::*field);
    void found(const Level& level);

    std::vector<Level> stack_{};  ///< Never empty: the first is outside of all braces.
    std::size_t too_deep_ = 0;    ///< Braces that are open and not on the stack.
    std::vector<SniffedPolicy> found_{};
    std::string token_{};
    std::string previous_{};  ///< The token before.
    bool in_string_ = false;
    bool escaped_ = false;
    bool after_colon_ = false;
};

}  // namespace podfence
