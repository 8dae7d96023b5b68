#include "nft/words.hpp"

namespace podfence::nft {

std::string with_thousands(std::size_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3;) {
        at -= 3;
        digits.insert(at, ",");
    }
    return digits;
}

std::string count_of(std::size_t count, std::string_view singular) {
    std::string text = with_thousands(count) + " " + std::string(singular);
    if (count == 1) return text;
    if (text.ends_with('y')) return text.replace(text.size() - 1, 1, "ies");
    return text + "s";
}

std::string describe(const BatchSummary& summary) {
    std::string text;
    const auto add = [&text](const char* sign, std::size_t count, const char* noun,
                             const char* suffix = "") {
        if (count == 0) return;
        text += (text.empty() ? "" : ", ") + (sign + count_of(count, noun)) + suffix;
    };
    if (summary.table_deleted) text = summary.table_added ? "table rebuilt" : "table removed";
    if (summary.table_added && !summary.table_deleted) text = "table created";
    add("+", summary.chains_added, "chain");
    add("-", summary.chains_deleted, "chain");
    add("~", summary.chains_replaced, "chain", " refilled");
    add("+", summary.rules_added, "rule");
    add("+", summary.sets_added, "set");
    add("-", summary.sets_deleted, "set");
    add("+", summary.elements_added, "element");
    add("-", summary.elements_deleted, "element");
    return text.empty() ? "nothing to change" : text;
}

}  // namespace podfence::nft
