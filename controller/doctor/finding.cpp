#include "controller/doctor/finding.hpp"

#include <algorithm>

#include <boost/json.hpp>

#include "controller/text_safety.hpp"

namespace podfence::doctor {

std::string_view to_string(Level level) {
    switch (level) {
        case Level::ok:
            return "ok";
        case Level::note:
            return "note";
        case Level::warning:
            return "warning";
        case Level::error:
            return "error";
    }
    return "?";
}

Level worst_of(const Findings& findings) {
    Level worst = Level::ok;
    for (const Finding& finding : findings) worst = std::max(worst, finding.level);
    return worst;
}

std::string list_of(const std::vector<std::string>& names) {
    constexpr std::size_t kNamedMax = 4;
    std::string text;
    for (std::size_t i = 0; i < std::min(names.size(), kNamedMax); ++i) {
        text += (i == 0 ? "" : ", ") + names[i];
    }
    if (names.size() > kNamedMax) {
        text += " and " + std::to_string(names.size() - kNamedMax) + " more";
    }
    return text;
}

boost::json::object to_json(const Finding& finding) {
    // Names of chains and interfaces are other people's.
    return {{"id", finding.id},
            {"level", to_string(finding.level)},
            {"title", as_utf8(finding.title)},
            {"text", as_utf8(finding.text)},
            {"remedy", finding.remedy.empty() ? boost::json::value()
                                              : boost::json::value(as_utf8(finding.remedy))}};
}

}  // namespace podfence::doctor
