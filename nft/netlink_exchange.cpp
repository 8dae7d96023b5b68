#include "nft/netlink_exchange.hpp"

#include <cerrno>
#include <optional>

namespace podfence::nft {

namespace {

/// The errno of a message that ends an exchange; 0: a good end; nullopt: it is not the end.
std::optional<int> end_of(const wire::Message& message) {
    if (message.header.nlmsg_type == NLMSG_ERROR || message.header.nlmsg_type == NLMSG_DONE) {
        if (message.body.size() < sizeof(int)) {
            return 0;
        }
        return -wire::read_object<int>(message.body);
    }
    return std::nullopt;
}

Error refusal(const char* doing, int os_error) {
    // nfnetlink itself answers EINVAL when it has no such subsystem: nf_tables is not there.
    const Errc code = os_error == EINVAL ? Errc::not_supported : classify(os_error);
    return {.code = code, .os_error = os_error, .doing = doing};
}

}  // namespace

Result<Dumped> exchange(NetlinkSocket& socket, const wire::WireBuffer& request, const char* doing,
                        const OnMessage& on_message) {
    const auto header = wire::read_object<nlmsghdr>(request.bytes());
    if (auto sent = socket.send(request.bytes()); !sent) {
        return sent.error();
    }
    bool disturbed = false;
    for (;;) {
        const auto received = socket.receive(NetlinkSocket::Wait::yes);
        if (!received) {
            return received.error();
        }
        if (!*received) {
            return Error{.code = Errc::io, .os_error = ETIMEDOUT, .doing = doing};
        }
        wire::MessageReader reader(**received);
        while (const std::optional<wire::Message> message = reader.next()) {
            if (message->header.nlmsg_seq != header.nlmsg_seq) {
                continue;  // The answer to something given up.
            }
            disturbed = disturbed || (message->header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
            if (const std::optional<int> end = end_of(*message)) {
                if (*end == ENOENT) {
                    return Dumped::absent;
                }
                if (*end != 0) {
                    return refusal(doing, *end);
                }
                return disturbed ? Dumped::disturbed : Dumped::whole;
            }
            on_message(*message);
            if ((message->header.nlmsg_flags & NLM_F_MULTI) == 0) {
                return Dumped::whole;
            }
        }
        if (reader.malformed()) {
            return Error{.code = Errc::malformed, .doing = doing};
        }
    }
}

}  // namespace podfence::nft
