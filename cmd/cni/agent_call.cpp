#include "cmd/cni/agent_call.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include <boost/json/parse.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace podfence::cni {

namespace {

using Kind = NoAnswer::Kind;
constexpr std::size_t kAnswerBytesMax = 65536;

NoAnswer system_error(Kind kind, const std::string& doing) {
    return {.kind = kind, .message = doing + ": " + std::strerror(errno)};
}

NoAnswer late() {
    return {.kind = Kind::late, .message = "the agent does not answer in time"};
}

std::chrono::microseconds left_until(Clock::time_point until) {
    return std::max(std::chrono::ceil<std::chrono::microseconds>(until - Clock::now()),
                    std::chrono::microseconds(0));
}

class Connection {
  public:
    explicit Connection(int fd) : fd_(fd) {}
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() {
        if (fd_ >= 0) ::close(fd_);
    }

    std::optional<NoAnswer> open(const std::string& path, Clock::time_point until) const;
    std::optional<NoAnswer> send(std::string_view text) const;
    boost::system::result<std::string, NoAnswer> read_all(Clock::time_point until) const;

  private:
    int fd_;
};

std::optional<NoAnswer> Connection::open(const std::string& path, Clock::time_point until) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) {
        return NoAnswer{.message = path + " is too long for a socket"};
    }
    path.copy(address.sun_path, path.size());
    // Of connecting to an agent that does not accept any more, and of sending. Zero were for ever.
    const auto left = std::max(left_until(until), std::chrono::microseconds(1000));
    const timeval time{.tv_sec = left.count() / 1'000'000, .tv_usec = left.count() % 1'000'000};
    if (::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)) != 0) {
        return system_error(Kind::other, "limit the time");
    }
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
        return std::nullopt;
    }
    if (errno == EAGAIN) return late();
    const bool absent = errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR;
    return system_error(absent ? Kind::absent : Kind::other, path);
}

std::optional<NoAnswer> Connection::send(std::string_view text) const {
    while (!text.empty()) {
        const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) return late();
        if (sent < 0) return system_error(Kind::ended, "the agent hangs up");
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return std::nullopt;
}

boost::system::result<std::string, NoAnswer> Connection::read_all(Clock::time_point until) const {
    std::string text;
    std::array<char, 4096> bytes{};
    while (text.size() < kAnswerBytesMax) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(left_until(until));
        pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
        const int count = ::poll(&ready, 1, static_cast<int>(left.count()));
        if (count == 0) return late();
        const ssize_t size = count < 0 ? -1 : ::recv(fd_, bytes.data(), bytes.size(), 0);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return system_error(Kind::ended, "the agent hangs up");
        if (size == 0) return text;
        text.append(bytes.data(), static_cast<std::size_t>(size));
    }
    return NoAnswer{.message = "the agent's answer is too long"};
}

std::string text_of(const boost::json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    const auto* text = value == nullptr ? nullptr : value->if_string();
    return text == nullptr ? "" : std::string(text->data(), text->size());
}

/// An answer that breaks off is no JSON.
boost::system::result<Answer, NoAnswer> read_answer(std::string_view text) {
    constexpr std::string_view kSuccess = "HTTP/1.1 200 ";
    const std::size_t end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) {
        return NoAnswer{.kind = Kind::ended, .message = "the agent hangs up"};
    }
    std::string_view body = text.substr(end + 4);
    if (!text.starts_with(kSuccess)) {
        return NoAnswer{.message =
                            "the agent answers: " + std::string(text.substr(0, text.find('\r'))) +
                            ": " + std::string(body.substr(0, body.find('\n')))};
    }
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(body, error);
    if (error || !value.is_object()) {
        return NoAnswer{.kind = Kind::ended, .message = "the agent's answer breaks off"};
    }
    return Answer{.state = text_of(value.get_object(), "state"),
                  .reason = text_of(value.get_object(), "reason")};
}

}  // namespace

void throw_exception_from_error(const NoAnswer& error, const boost::source_location& where) {
    (void)std::fprintf(stderr, "podfence-cni: unhandled error: %s (%s:%u)\n", error.message.c_str(),
                       where.file_name(), static_cast<unsigned>(where.line()));
    std::abort();
}

boost::system::result<Answer, NoAnswer> call_agent(const std::string& socket,
                                                   const std::string& target,
                                                   const std::string& body,
                                                   Clock::time_point until) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return system_error(Kind::other, "no socket");
    const Connection connection(fd);
    if (auto failed = connection.open(socket, until)) return *std::move(failed);
    // In HTTP/1.0 the answer ends with the connection.
    const std::string request = body.empty() ? "GET " + target + " HTTP/1.0\r\n\r\n"
                                             : "POST " + target + " HTTP/1.0\r\nContent-Length: " +
                                                   std::to_string(body.size()) + "\r\n\r\n" + body;
    if (auto failed = connection.send(request)) return *std::move(failed);
    const auto text = connection.read_all(until);
    if (!text) return text.error();
    return read_answer(*text);
}

}  // namespace podfence::cni
