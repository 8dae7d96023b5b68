#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "nft/ruleset.hpp"

/// The words that the text of a table (text.cpp) and that of a batch (text_batch.cpp) share. Not
/// for other files: they include nft/text.hpp.
namespace podfence::nft::text {

/// nft has no escape inside quotes, and in a log prefix a `$` starts a variable (`variables`). What
/// cannot be written becomes a question mark (a quote: an apostrophe); so a name that a tenant
/// chose can neither end a string nor send control codes to a terminal.
std::string quoted(std::string_view text, bool variables = false);

/// The text with question marks for what a terminal should not be sent.
std::string printable(std::string_view text);

/// A name as it is. Ours are plain; one made by others may hold anything, and nft refuses the
/// question mark rather than take another name for it.
std::string plain(std::string_view name);

/// "inet podfence"
std::string table_name(const TableId& id);

/// "type ipv4_addr", "size 8", "flags interval", "comment ...": without terminators.
std::vector<std::string> set_properties(const SetSpec& spec, bool is_map);

/// "10.0.0.1 comment "ns/pod" : goto class"
std::string entry_text(const SetSpec& spec, const MapEntry& entry);

/// "type filter hook forward priority filter - 10; policy accept;"
std::string base_text(const BaseChain& base);

template <class Items, class Print>
std::string joined(const Items& items, Print print, std::string_view between) {
    std::string result;
    for (const auto& item : items) {
        if (!result.empty()) result += between;
        result += print(item);
    }
    return result;
}

}  // namespace podfence::nft::text
