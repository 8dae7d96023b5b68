#include "controller/throwaway_netns.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>

namespace podfence {

namespace {

constexpr const char* kDoing = "make a network namespace";
constexpr std::size_t kFdsMax = ThrowawayNetns::kSocketsMax + 1;

nft::Error failure(int os_error) {
    return {.code = nft::classify(os_error), .os_error = os_error, .doing = kDoing};
}

/// Room for the descriptors beside one message.
using Control = std::array<char, CMSG_SPACE(sizeof(int) * kFdsMax)>;

/// The child's part: an errno, and when that is 0 the namespace and the sockets. Only calls that
/// are allowed after fork(). Whoever has no CAP_SYS_ADMIN has it in a user namespace of its own.
int fill(std::span<const SocketSpec> sockets, std::array<int, kFdsMax>& fds) {
    if (::unshare(CLONE_NEWNET) != 0) {
        const int refused = errno;
        if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return refused;
    }
    fds[0] = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fds[0] < 0) return errno;
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        const auto& [domain, type, protocol] = sockets[i];
        fds[i + 1] = ::socket(domain, type | SOCK_CLOEXEC, protocol);
        if (fds[i + 1] < 0) return errno;
    }
    return 0;
}

[[noreturn]] void run_child(int channel, std::span<const SocketSpec> sockets) {
    std::array<int, kFdsMax> fds{};
    int error = fill(sockets, fds);
    const std::size_t count = error == 0 ? sockets.size() + 1 : 0;
    iovec data{.iov_base = &error, .iov_len = sizeof error};
    alignas(cmsghdr) Control control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (count > 0) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * count);
        std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * count);
    }
    ::sendmsg(channel, &message, MSG_NOSIGNAL);
    ::_exit(0);
}

nft::Result<std::vector<UniqueFd>> receive(int channel) {
    int error = EIO;
    iovec data{.iov_base = &error, .iov_len = sizeof error};
    alignas(cmsghdr) Control control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
    if (size != ssize_t{sizeof error}) return failure(size < 0 ? errno : EIO);
    std::vector<UniqueFd> fds;
    const cmsghdr* const header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
        const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            fds.emplace_back(fd);
        }
    }
    if (error != 0) return failure(error);
    return fds;
}

}  // namespace

nft::Result<ThrowawayNetns> ThrowawayNetns::make(std::span<const SocketSpec> sockets) {
    PODFENCE_CHECK(sockets.size() <= kSocketsMax);
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
        return failure(errno);
    }
    const UniqueFd ours(pair[0]);
    UniqueFd theirs(pair[1]);
    const pid_t child = ::fork();
    if (child < 0) return failure(errno);
    if (child == 0) run_child(theirs.get(), sockets);
    theirs = UniqueFd();
    auto fds = receive(ours.get());
    ::waitpid(child, nullptr, 0);
    if (!fds) return fds.error();
    if (fds->size() != sockets.size() + 1) return failure(EMFILE);
    ThrowawayNetns made;
    made.ns = std::move(fds->front());
    for (std::size_t i = 1; i < fds->size(); ++i) made.sockets.push_back(std::move((*fds)[i]));
    return made;
}

}  // namespace podfence
