#include "nft/conntrack_netlink.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "nft/conntrack_wire.hpp"

namespace podfence::nft {

namespace {

constexpr const char* kListing = "list connections";
constexpr const char* kCounting = "count connections";
constexpr const char* kMarking = "mark connections";
/// Messages of one datagram: some 16 KiB.
constexpr std::size_t kMarksAtOnce = 128;

/// The errno of a message that ends an exchange; 0: a good end; nullopt: it is not the end.
std::optional<int> end_of(const wire::Message& message) {
    const auto type = message.header.nlmsg_type;
    if (type != NLMSG_ERROR && type != NLMSG_DONE) return std::nullopt;
    if (message.body.size() < sizeof(int)) return 0;
    return -wire::read_object<int>(message.body);
}

Error refusal(const char* doing, int os_error) {
    // nfnetlink itself answers EINVAL when it has no such subsystem: there is no ctnetlink.
    const Errc code = os_error == EINVAL ? Errc::not_supported : classify(os_error);
    return {.code = code, .os_error = os_error, .doing = doing};
}

}  // namespace

Result<std::unique_ptr<NetlinkConntrack>> NetlinkConntrack::open() {
    auto socket = NetlinkSocket::open();
    if (!socket) return socket.error();
    return std::unique_ptr<NetlinkConntrack>(new NetlinkConntrack(*std::move(socket)));
}

/// Sends what is in the buffer and hands over what comes back, to the end.
Result<void> NetlinkConntrack::ask(const char* doing,
                                   const std::function<void(const wire::Message&)>& hear) {
    const auto request = wire::read_object<nlmsghdr>(buffer_.bytes());
    if (auto sent = socket_.send(buffer_.bytes()); !sent) return sent;
    bool disturbed = false;
    for (;;) {
        const auto received = socket_.receive(NetlinkSocket::Wait::yes);
        if (!received) return received.error();
        if (!*received) return Error{.code = Errc::io, .os_error = ETIMEDOUT, .doing = doing};
        wire::MessageReader reader(**received);
        while (const auto message = reader.next()) {
            if (message->header.nlmsg_seq != request.nlmsg_seq) continue;  // Of something given up.
            disturbed = disturbed || (message->header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
            if (const auto end = end_of(*message)) {
                if (*end != 0) return refusal(doing, *end);
                if (!disturbed) return {};
                return Error{.code = Errc::interrupted, .os_error = EINTR, .doing = doing};
            }
            hear(*message);
        }
        if (reader.malformed()) return Error{.code = Errc::malformed, .doing = doing};
    }
}

Result<void> NetlinkConntrack::list(const ConnectionFilter& filter, const OnConnection& tell) {
    PODFENCE_CHECK(!filter.source || !filter.answerer);
    buffer_.clear();
    wire::put_list_request(filter, socket_.take_sequence(1), buffer_);
    bool more = true;
    return ask(kListing, [&](const wire::Message& message) {
        if (!more) return;
        const auto connection = wire::decode_connection(message);
        if (connection && filter.takes(*connection)) more = tell(*connection);
    });
}

Result<std::size_t> NetlinkConntrack::count() {
    buffer_.clear();
    wire::put_count_request(socket_.take_sequence(1), buffer_);
    std::optional<std::uint32_t> count;
    const auto asked =
        ask(kCounting, [&](const wire::Message& message) { count = wire::decode_count(message); });
    if (!asked) return asked.error();
    if (!count) return Error{.code = Errc::malformed, .doing = kCounting};
    return std::size_t{*count};
}

Result<std::optional<Connection>> NetlinkConntrack::find(const Tuple& original,
                                                         std::uint16_t zone) {
    buffer_.clear();
    wire::put_find_request(original, zone, socket_.take_sequence(1), buffer_);
    std::optional<Connection> found;
    const auto asked = ask("find a connection", [&](const wire::Message& message) {
        found = wire::decode_connection(message);
    });
    if (!asked && asked.error().os_error != ENOENT) return asked.error();
    return found;
}

Result<std::size_t> NetlinkConntrack::set_mark(std::span<const Connection> connections,
                                               std::uint32_t mask, std::uint32_t mark) {
    std::size_t done = 0;
    while (!connections.empty()) {
        const auto now = connections.first(std::min(connections.size(), kMarksAtOnce));
        connections = connections.subspan(now.size());
        buffer_.clear();
        for (const auto& connection : now) {
            wire::put_mark(connection, mask, mark, socket_.take_sequence(1), buffer_);
        }
        if (auto sent = socket_.send(buffer_.bytes()); !sent) return sent.error();
        const auto gone = refused();
        if (!gone) return gone.error();
        done += now.size() - *gone;
    }
    return done;
}

/// The kernel answers only what it refuses, and has done so when the datagram is sent.
Result<std::size_t> NetlinkConntrack::refused() {
    std::size_t gone = 0;
    for (;;) {
        const auto received = socket_.receive(NetlinkSocket::Wait::no);
        if (!received) return received.error();
        if (!*received) return gone;
        wire::MessageReader reader(**received);
        while (const auto message = reader.next()) {
            const auto end = end_of(*message);
            if (!end || *end == 0) continue;
            if (*end != ENOENT) return refusal(kMarking, *end);
            ++gone;
        }
    }
}

}  // namespace podfence::nft
