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
