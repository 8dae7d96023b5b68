#include "controller/canary.hpp"

#include <algorithm>
#include <charconv>
#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>

#include "controller/child_process.hpp"

namespace podfence {

namespace asio = boost::asio;

namespace {

CanaryRecord impossible(std::string reason) {
    return {.state = CanaryState::impossible, .reason = std::move(reason)};
}

ChildCommand command_for(const Canary::Options& options, const std::vector<nft::Address>& pods) {
    ChildCommand command{
        .words = {options.program, "doctor", "--self-test", "--no-checks", "-o", "json",
                  "--established", options.cuts_established ? "cut" : "keep", "--hook-priority",
                  std::to_string(options.hook_priority)},
        .timeout = Canary::kTimeout};
    for (std::size_t i = 0; i < std::min(pods.size(), Canary::kPodsMax); ++i) {
        command.words.emplace_back("--pod-address");
        command.words.push_back(nft::to_string(pods[i]));
    }
    // Without pods it would ask the agent, who has just said that it knows none.
    if (pods.empty()) {
        command.words.emplace_back("--socket");
        command.words.emplace_back("/nonexistent");
    }
    return command;
}

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

}  // namespace

Canary::Canary(asio::io_context& io, Options options, PodAddresses pods, Answered answered)
    : io_(io),
      options_(std::move(options)),
      pods_(std::move(pods)),
      answered_(std::move(answered)),
      timer_(io) {
    record_.period = options_.period;
    if (options_.period.count() > 0) record_.state = CanaryState::pending;
}

Canary::~Canary() = default;

void Canary::start() {
    if (options_.period.count() == 0) return;
    // It ends with the io_context, in which it is joined.
    asio::co_spawn(io_, prove(), [](const std::exception_ptr& thrown) {
        if (thrown) std::rethrow_exception(thrown);
    });
}

void Canary::stop() {
    timer_.cancel();
}

void Canary::schedule() {
    timer_.expires_after(options_.period);
    timer_.async_wait([this](const boost::system::error_code& cancelled) {
        if (!cancelled) start();
    });
}

asio::awaitable<void> Canary::prove() {
    ChildCommand command = command_for(options_, pods_());
    const ChildEnd end = co_await run_child(io_.get_executor(), std::move(command));
    CanaryRecord answer = end.failure.empty() ? parse_self_test(end.output)
                                              : impossible("the self-test " + end.failure);
    if (answer.state == CanaryState::impossible && end.output.empty() && !end.errors.empty()) {
        answer.reason += ": " + first_line(end.errors);
    }
    answer.at = std::chrono::system_clock::now();
    answer.enforced_at = answer.state == CanaryState::enforced ? answer.at : record_.enforced_at;
    answer.runs = record_.runs + 1;
    answer.period = options_.period;
    record_ = std::move(answer);
    schedule();
    answered_(record_);
}

CanaryRecord parse_self_test(std::string_view output) {
    boost::system::error_code error;
    const auto parsed = boost::json::parse({output.data(), output.size()}, error);
    const auto* object = error ? nullptr : parsed.if_object();
    const auto* test = object == nullptr ? nullptr : object->if_contains("self_test");
    const auto* answer = test == nullptr ? nullptr : test->if_object();
    const auto* proof = answer == nullptr ? nullptr : answer->if_contains("proof");
    if (proof == nullptr || !proof->is_string()) return impossible("the self-test gave no answer");
    const auto* reason = answer->if_contains("reason");
    CanaryRecord record = impossible("the self-test gave an unknown answer");
    for (const auto state : {CanaryState::enforced, CanaryState::bypassed, CanaryState::unproven,
                             CanaryState::impossible}) {
        if (proof->get_string() != to_string(state)) continue;
        record.state = state;
        record.reason =
            reason != nullptr && reason->is_string() ? reason->get_string().c_str() : "";
    }
    return record;
}

std::optional<std::chrono::seconds> parse_period(std::string_view text) {
    std::int64_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit(parsed.ptr, text.data() + text.size());
    constexpr std::int64_t kMost = 1'000'000;
    if (parsed.ec != std::errc() || number < 0 || number > kMost) return std::nullopt;
    std::optional<std::chrono::seconds> period;
    if (unit == "s") period = std::chrono::seconds(number);
    if (unit == "m") period = std::chrono::minutes(number);
    if (unit == "h") period = std::chrono::hours(number);
    return period && *period >= Canary::kPeriodMin ? period : std::nullopt;
}

}  // namespace podfence
