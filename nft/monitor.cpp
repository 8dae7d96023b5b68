#include "nft/monitor.hpp"

#include "nft/wire_notice.hpp"

namespace podfence::nft {

namespace {

/// Datagrams of one reading, so that a stranger who commits all the time does not hold up others.
constexpr int kDatagramsMax = 256;

}  // namespace

Result<Monitor> Monitor::open(TableId table, std::uint32_t own_port) {
    auto socket = NetlinkSocket::open();
    if (!socket) return socket.error();
    // What the owner commits is not even queued; take() would pass over it too.
    socket->ignore_notices_of(own_port);
    if (auto subscribed = socket->subscribe(); !subscribed) return subscribed.error();
    return Monitor(*std::move(socket), std::move(table), own_port);
}

Result<Notices> Monitor::read() {
    Notices notices;
    for (int i = 0; i < kDatagramsMax; ++i) {
        const auto received = socket_.receive(NetlinkSocket::Wait::no);
        if (!received) {
            if (received.error().code != Errc::overrun) return received.error();
            notices.lost = true;
            touched_ = false;  // Whose commit the next messages belong to is not known.
            continue;
        }
        if (!*received) return notices;
        take(**received, notices);
        if (notices.stirred) break;
    }
    notices.more = true;
    return notices;
}

void Monitor::take(wire::Bytes datagram, Notices& notices) {
    wire::MessageReader reader(datagram);
    while (const auto message = reader.next()) {
        if (const auto end = wire::generation_notice(*message)) {
            if (touched_) notices.foreign.push_back({.pid = end->pid, .process = end->process});
            touched_ = false;
        } else if (message->header.nlmsg_pid != own_port_ && message->header.nlmsg_pid != 0 &&
                   wire::concerns(*message, table_)) {
            // 0: the kernel itself, which takes an ingress chain away with its interface.
            notices.stirred = notices.stirred || !touched_;
            touched_ = true;
        }
    }
    if (reader.malformed()) notices.lost = true;
}

}  // namespace podfence::nft
