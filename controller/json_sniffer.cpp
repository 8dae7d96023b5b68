#include "controller/json_sniffer.hpp"

#include <algorithm>
#include <utility>

#include "controller/validate.hpp"

namespace podfence {

namespace {

/// Longer ones are no kind and no name that matters; the rest of them is dropped.
constexpr std::size_t kTokenBytes = 256;
constexpr std::size_t kStackLevels = 64;

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '/';
}

}  // namespace

void JsonSniffer::feed(std::string_view text, std::uint32_t line) {
    for (const char c : text) {
        const bool closes = in_string_ && c == '"' && !escaped_;
        if (c == '\n' || closes || (!in_string_ && !is_word(c))) end_token(line);
        escaped_ = in_string_ && c == '\\' && !escaped_;
        if (c == '\n') {
            // No JSON string reaches over a line's end: a lost quote does no harm beyond its line.
            in_string_ = false;
            ++line;
        } else if (in_string_) {
            in_string_ = !closes;
            if (in_string_) put_in_token(c);
        } else if (c == '"') {
            in_string_ = true;
        } else if (c == '{' || c == '[') {
            open();
        } else if (c == '}' || c == ']') {
            close();
        } else if (c == ':' || c == ',') {
            after_colon_ = c == ':';
        } else if (is_word(c)) {
            // A word without quotes, which may be what is wrong with the text.
            put_in_token(c);
        }
    }
}

void JsonSniffer::put_in_token(char c) {
    if (token_.size() < kTokenBytes) token_ += c;
}

void JsonSniffer::open() {
    if (stack_.size() >= kStackLevels) {
        ++too_deep_;
    } else {
        stack_.push_back({.metadata = after_colon_ && previous_ == "metadata"});
    }
    after_colon_ = false;
}

void JsonSniffer::close() {
    after_colon_ = false;
    if (too_deep_ > 0) {
        --too_deep_;
        return;
    }
    found(stack_.back());
    stack_.pop_back();
    if (stack_.empty()) stack_.emplace_back();  // one brace too many
}

void JsonSniffer::end_token(std::uint32_t line) {
    // Where a quote is missing, what stands between the strings is taken for strings.
    if (std::none_of(token_.begin(), token_.end(), is_word)) {
        token_.clear();
        return;
    }
    // Without its closing quote the kind reaches up to the next one.
    const bool kind = std::string_view(token_).starts_with(kPolicyKind) &&
                      (token_.size() == kPolicyKind.size() || !is_word(token_[kPolicyKind.size()]));
    if (previous_ == "kind" && kind) {
        Level& level = stack_.back();
        // Two objects that ran together have two kinds.
        if (level.policy) found(std::exchange(level, {.metadata = level.metadata}));
        level.policy = true;
        level.line = line;
    } else if (is_dns_subdomain(token_)) {
        take_value("name", &SniffedPolicy::name);
        if (is_dns_label(token_)) take_value("namespace", &SniffedPolicy::ns);
    }
    previous_ = std::exchange(token_, {});
}

/// Of several, the first counts.
void JsonSniffer::take_value(std::string_view key, std::string SniffedPolicy::*field) {
    if (previous_ != key) return;
    if (stack_.size() > 1 && stack_.back().metadata && after_colon_) {
        std::string& sure = stack_[stack_.size() - 2].sure.*field;
        if (sure.empty()) sure = token_;
    }
    // Where braces are missing, one object may seem to lie in another: it is the inner one's.
    const auto inner = std::find_if(stack_.rbegin(), stack_.rend(),
                                    [](const Level& level) { return level.policy; });
    if (inner != stack_.rend() && (inner->likely.*field).empty()) inner->likely.*field = token_;
}

void JsonSniffer::found(const Level& level) {
    if (!level.policy || found_.size() >= kMaxSniffed) return;
    const auto better = [&](std::string SniffedPolicy::*field) {
        return (level.sure.*field).empty() ? level.likely.*field : level.sure.*field;
    };
    found_.push_back({.ns = better(&SniffedPolicy::ns),
                      .name = better(&SniffedPolicy::name),
                      .line = level.line});
}

std::vector<SniffedPolicy> JsonSniffer::take() {
    end_token(0);
    for (const Level& level : stack_) found(level);
    std::stable_sort(
        found_.begin(), found_.end(),
        [](const SniffedPolicy& a, const SniffedPolicy& b) { return a.line < b.line; });
    return std::move(found_);
}

}  // namespace podfence
