#include "test/bench/transactions.hpp"

#include <sys/socket.h>

#include "nft/error.hpp"
#include "test/bench/clock.hpp"

namespace podfence::bench {
namespace {

Transactions* current = nullptr;

}  // namespace

Transactions::Transactions() {
    PODFENCE_CHECK(current == nullptr);
    current = this;
}

Transactions::~Transactions() {
    current = nullptr;
}

}  // namespace podfence::bench

// The linker puts this in the place of send (CMakeLists.txt); such are its names for the two.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {
ssize_t __real_send(int fd, const void* data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void* data, size_t size, int flags);

ssize_t __wrap_send(int fd, const void* data, size_t size, int flags) {
    using podfence::bench::current;
    if (current == nullptr) return __real_send(fd, data, size, flags);
    ssize_t sent = 0;
    current->add(podfence::bench::microseconds([&] { sent = __real_send(fd, data, size, flags); }) /
                 1000);
    return sent;
}
}
// NOLINTEND(bugprone-reserved-identifier)
