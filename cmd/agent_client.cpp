#include "cmd/agent_client.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include <boost/json.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "controller/limits.hpp"

namespace podfence::cmd {

namespace {

constexpr std::size_t kHeaderBytesMax = 16384;
constexpr std::chrono::milliseconds kForever{-1};

using Kind = AgentError::Kind;

AgentError broken(const std::string& message) {
    return {.kind = Kind::broken, .message = message};
}

AgentError ended(const std::string& message) {
    return {.kind = Kind::ended, .message = message};
}

/// A request in HTTP/1.0, whose answer ends with the connection, and the bytes that come back.
class Connection {
  public:
    static AgentResult<Connection> open(const std::string& path, const std::string& target);
    Connection(Connection&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
    Connection& operator=(Connection&&) = delete;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() {
        if (fd_ >= 0) ::close(fd_);
    }

    /// Some more text; an empty one at the end, and when the reader of `output` has gone (-1: it
    /// does not matter): reader_left() says which.
    AgentResult<std::string> read(std::chrono::milliseconds silence_max, int output = -1);
    bool reader_left() const { return reader_left_; }
    /// The status line and the header fields; what follows is left to read().
    AgentResult<void> read_header(std::chrono::milliseconds silence_max);

    unsigned status() const { return status_; }
    std::optional<std::size_t> length() const { return length_; }

  private:
    explicit Connection(int fd) : fd_(fd) {}
    AgentResult<void> parse_header(std::string_view header);

    int fd_;
    std::string buffer_{};  ///< Read, but not taken.
    bool reader_left_ = false;
    unsigned status_ = 0;
    std::optional<std::size_t> length_{};
};

AgentResult<Connection> Connection::open(const std::string& path, const std::string& target) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof(address.sun_path)) {
        return broken("'" + path + "' cannot be the path of a socket");
    }
    path.copy(address.sun_path, path.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return broken(std::string("no socket: ") + std::strerror(errno));
    Connection connection(fd);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        const int error = errno;
        AgentError refused{.message = path + ": " + std::strerror(error)};
        if (error == ENOENT || error == ECONNREFUSED || error == ENOTDIR) {
            refused.kind = Kind::absent;
        } else if (error == EACCES || error == EPERM) {
            refused.kind = Kind::forbidden;
        }
        return refused;
    }
    const std::string request = "GET " + target + " HTTP/1.0\r\n\r\n";
    std::string_view left = request;
    while (!left.empty()) {
        const ssize_t sent = ::send(fd, left.data(), left.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return ended(path + ": the agent hangs up");
        left.remove_prefix(static_cast<std::size_t>(sent));
    }
    return connection;
}

AgentResult<std::string> Connection::read(std::chrono::milliseconds silence_max, int output) {
    if (!buffer_.empty()) return std::exchange(buffer_, {});
    std::array<char, 65536> bytes{};
    while (true) {
        // A pipe whose reader has gone is in error, whatever is asked for.
        std::array<pollfd, 2> ready{pollfd{.fd = fd_, .events = POLLIN, .revents = 0},
                                    pollfd{.fd = output, .events = 0, .revents = 0}};
        const int count = ::poll(ready.data(), ready.size(), static_cast<int>(silence_max.count()));
        if (count > 0 && (ready[1].revents & POLLERR) != 0) {
            reader_left_ = true;
            return std::string();
        }
        if (count == 0) {
            return broken("the agent says nothing for " +
                          std::to_string(silence_max.count() / 1000) + " s");
        }
        const ssize_t size = count < 0 ? -1 : ::recv(fd_, bytes.data(), bytes.size(), 0);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == ECONNRESET) return ended("the agent hangs up");
        if (size < 0) return broken(std::string("reading its answer: ") + std::strerror(errno));
        return std::string(bytes.data(), static_cast<std::size_t>(size));
    }
}

AgentResult<void> Connection::read_header(std::chrono::milliseconds silence_max) {
    std::string header;
    std::size_t end = std::string::npos;
    while (end == std::string::npos) {
        auto more = read(silence_max);
        if (!more) return more.error();
        if (more->empty()) return ended("the agent hangs up without an answer");
        header += *more;
        end = header.find("\r\n\r\n");
        if (header.size() > kHeaderBytesMax && end == std::string::npos) break;
    }
    if (end == std::string::npos) return broken("whoever listens there speaks no HTTP");
    buffer_ = header.substr(end + 4);
    return parse_header(std::string_view(header).substr(0, end + 2));
}

AgentResult<void> Connection::parse_header(std::string_view header) {
    constexpr std::string_view kLength = "\r\nContent-Length: ";
    const auto number = [](std::string_view text, auto& value) {
        return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
    };
    if (!header.starts_with("HTTP/1.1 ") || !number(header.substr(9), status_)) {
        return broken("whoever listens there speaks no HTTP");
    }
    if (const auto at = header.find(kLength); at != std::string_view::npos) {
        std::size_t length = 0;
        if (!number(header.substr(at + kLength.size()), length)) {
            return broken("its answer has no valid length");
        }
        length_ = length;
    }
    return {};
}

AgentResult<std::string> read_body(Connection& connection, std::chrono::milliseconds silence_max) {
    std::string body;
    while (true) {
        auto more = connection.read(silence_max);
        if (!more) return more.error();
        if (more->empty()) break;
        body += *more;
        if (body.size() > limits::kSourceBytes) return broken("its answer is too long");
    }
    if (connection.length() && body.size() != *connection.length()) {
        return ended("its answer breaks off");
    }
    return body;
}

}  // namespace

void throw_exception_from_error(const AgentError& error, const boost::source_location& where) {
    (void)std::fprintf(stderr, "podfence: unhandled error: %s (%s:%u)\n", error.message.c_str(),
                       where.file_name(), static_cast<unsigned>(where.line()));
    std::abort();
}

std::string agent_socket() {
    const char* path = std::getenv("PODFENCE_SOCKET");
    return path != nullptr && *path != '\0' ? path : kAgentSocket;
}

AgentResult<std::string> ask_agent(const std::string& socket, const std::string& target,
                                   std::chrono::milliseconds silence_max) {
    auto connection = Connection::open(socket, target);
    if (!connection) return connection.error();
    if (auto header = connection->read_header(silence_max); !header) return header.error();
    auto body = read_body(*connection, silence_max);
    if (!body) return body.error();
    if (connection->status() != 200) {
        return broken("it answers " + std::to_string(connection->status()) + " to " + target +
                      ": " + body->substr(0, body->find('\n')));
    }
    return body;
}

AgentResult<boost::json::value> ask_agent_json(const std::string& socket, const std::string& target,
                                               std::chrono::milliseconds silence_max) {
    auto body = ask_agent(socket, target, silence_max);
    if (!body) return body.error();
    boost::system::error_code error;
    boost::json::value value = boost::json::parse(*body, error);
    if (error) return broken("its answer to " + target + " is no JSON: " + error.message());
    return value;
}

AgentResult<FollowEnd> follow_agent(const std::string& socket, const std::string& target,
                                    const std::function<bool(std::string_view)>& line) {
    auto connection = Connection::open(socket, target);
    if (!connection) return connection.error();
    if (auto header = connection->read_header(kAgentSilenceMax); !header) return header.error();
    if (connection->status() != 200) {
        return broken("it answers " + std::to_string(connection->status()) + " to " + target);
    }
    std::string text;
    while (true) {
        auto more = connection->read(kForever, STDOUT_FILENO);
        if (!more) return more.error();
        if (more->empty()) return connection->reader_left() ? FollowEnd::reader : FollowEnd::agent;
        text += *more;
        for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
            if (!line(std::string_view(text).substr(0, end))) return FollowEnd::reader;
            text.erase(0, end + 1);
        }
        if (text.size() > limits::kObjectBytes) return broken("a line of its answer is too long");
    }
}

bool await_hang_up(const std::string& socket, const std::string& target,
                   std::chrono::milliseconds time_max) {
    const auto end = std::chrono::steady_clock::now() + time_max;
    auto connection = Connection::open(socket, target);
    while (connection) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        if (left.count() <= 0) return false;
        const auto more = connection->read(left);
        if (!more) return more.error().kind == Kind::ended;
        if (more->empty()) return true;
    }
    const Kind kind = connection.error().kind;
    return kind == Kind::absent || kind == Kind::ended;
}

Exit report(Terminal& terminal, const AgentError& error) {
    switch (error.kind) {
        case Kind::absent:
            terminal.error("no agent answers on this node (" + printable(error.message) + ")");
            terminal.hint("start one: 'podfence agent', or the DaemonSet's pod on this node");
            terminal.hint("--socket PATH asks one that listens elsewhere");
            break;
        case Kind::forbidden:
            terminal.error("the agent answers root only (" + printable(error.message) + ")");
            terminal.hint("run this with sudo");
            break;
        case Kind::ended:
        case Kind::broken:
            terminal.error("the agent cannot be asked: " + printable(error.message));
            terminal.hint("is it being restarted? its log says more");
            break;
    }
    return Exit::failure;
}

Exit report_no_input(Terminal& terminal, const AgentError& error) {
    const Exit status = report(terminal, error);
    terminal.hint("or judge manifests, without any agent: -f PATH..., or -f - for standard input:");
    terminal.hint("kubectl get pods,namespaces,networkpolicies -A -o yaml | podfence ... -f -");
    return status;
}

std::string escape_query(std::string_view text) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '/';
        if (plain) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += {'%', kHex[byte >> 4U], kHex[byte & 15U]};
    }
    return out;
}

}  // namespace podfence::cmd
