#include "controller/problem.hpp"

namespace podfence {

std::string to_string(const Problem& problem) {
    std::string text = to_string(problem.pos);
    if (!text.empty()) text += ": ";
    text += problem.severity == Severity::error ? "error" : "warning";
    for (const std::string* part : {&problem.object, &problem.field, &problem.message}) {
        if (part->empty()) continue;
        text += ": ";
        text += *part;
    }
    if (!problem.remedy.empty()) {
        text += " (";
        text += problem.remedy;
        text += ')';
    }
    return text;
}

}  // namespace podfence
