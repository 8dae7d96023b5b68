#include "test/support/lab_poller.hpp"

#include <array>
#include <cerrno>

#include <sys/epoll.h>

namespace podfence::lab {

Poller::Poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) fail_errno("epoll");
}

void Poller::add(int fd, std::uint32_t events, Pollable& object) {
    epoll_event event{.events = events, .data = {.ptr = &object}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) fail_errno("epoll add");
}

bool Poller::wait(int timeout_ms) {
    std::array<epoll_event, 256> events{};
    const int n = ::epoll_wait(epoll_.get(), events.data(), events.size(), timeout_ms);
    if (n < 0 && errno != EINTR) fail_errno("epoll wait");
    for (int i = 0; i < n; ++i) {
        const auto& event = events[static_cast<std::size_t>(i)];
        static_cast<Pollable*>(event.data.ptr)->ready(event.events);
    }
    return n > 0;
}

}  // namespace podfence::lab
