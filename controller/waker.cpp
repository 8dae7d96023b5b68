#include "controller/waker.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

#include "nft/passage.hpp"

namespace podfence {

namespace asio = boost::asio;

Waker::Waker(asio::io_context& io, Reconciler& reconciler, std::function<void()> due)
    : io_(io), reconciler_(reconciler), due_(std::move(due)), timer_(io) {}

Waker::~Waker() {
    thread_.join();
}

void Waker::sleep(std::optional<Reconciler::Time> sooner) {
    if (reconciler_.take_wait_for_packets()) await_packets();
    auto at = reconciler_.wake_at();
    if (sooner) at = at ? std::min(*at, *sooner) : sooner;
    timer_.cancel();
    if (!at) return;
    if (*at <= Clock::now()) return due_();
    timer_.expires_at(*at);
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) due_();
    });
}

void Waker::await_packets() {
    asio::post(thread_, [this, alive = std::weak_ptr(alive_)] {
        // Where the kernel does not tell, the time that it took to ask has to do: packets take
        // microseconds most of the time.
        static_cast<void>(nft::await_packets());
        asio::post(io_, [this, alive] {
            if (alive.expired()) return;
            reconciler_.packets_passed();
            due_();
        });
    });
}

}  // namespace podfence
