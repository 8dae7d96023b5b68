#include "controller/notice_poster.hpp"

#include <exception>
#include <string>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace podfence {

namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

/// Of an answer, which repeats the Event or is a Status; the rest is read and dropped.
constexpr std::size_t kAnswerBytes = std::size_t{64} << 10;

}  // namespace

struct NoticePoster::State {
    State(const std::shared_ptr<ApiClient>& client, Sink& hears, NoticeQueue::Options options)
        : queue(std::move(options)), connection(client), timer(client->executor()), sink(hears) {}

    NoticeQueue queue;
    ApiConnection connection;
    asio::steady_timer timer;
    Sink& sink;
    bool stopped = false;
};

NoticePoster::NoticePoster(asio::io_context& io, const std::shared_ptr<ApiClient>& client,
                           Sink& sink, NoticeQueue::Options options)
    : io_(io), state_(std::make_shared<State>(client, sink, std::move(options))) {}

void NoticePoster::start() {
    asio::co_spawn(io_, run(state_), [](const std::exception_ptr& thrown) {
        if (thrown) std::rethrow_exception(thrown);
    });
}

void NoticePoster::stop() {
    state_->stopped = true;
    state_->connection.close();
    state_->timer.cancel();
}

void NoticePoster::add(Notice notice) {
    const auto due = state_->queue.due();
    state_->queue.add(Clock::now(), std::move(notice));
    if (state_->queue.due() != due) state_->timer.cancel();
}

void NoticePoster::withdraw(const ObjectName& policy) {
    state_->queue.withdraw(policy);
}

asio::awaitable<void> NoticePoster::run(std::shared_ptr<State> state) {
    while (!state->stopped) {
        const auto due = state->queue.due();
        if (due && *due <= Clock::now()) {
            co_await post(state);
            continue;
        }
        if (!due) state->connection.close();
        state->timer.expires_at(due.value_or(Clock::time_point::max()));
        co_await state->timer.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

asio::awaitable<void> NoticePoster::post(std::shared_ptr<State> state) {
    auto [target, body] = state->queue.next(std::chrono::system_clock::now());
    const auto head = co_await state->connection.post(std::move(target), std::move(body));
    std::string answer;
    bool complete = false;
    while (head && !complete && !state->stopped) {
        const auto piece = co_await state->connection.read();
        if (!piece) break;
        complete = piece->empty();
        if (answer.size() < kAnswerBytes) answer += *piece;
    }
    if (state->stopped) co_return;
    if (!head || !complete) {
        state->queue.failed(Clock::now());
        co_return;
    }
    ApiRefusal refusal;
    if (head->status >= 300) refusal = read_refusal(answer);
    if (!refusal.retry_after) refusal.retry_after = head->retry_after;
    if (const auto trouble = state->queue.answered(Clock::now(), head->status, refusal)) {
        state->sink.untold(*trouble);
    }
}

}  // namespace podfence
