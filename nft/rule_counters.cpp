#include "nft/rule_counters.hpp"

#include <cerrno>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "nft/netlink_socket.hpp"
#include "nft/wire_buffer.hpp"
#include "nft/wire_encode.hpp"

namespace podfence::nft {

void count_rule(const wire::Message& message, const TableId& table,
                std::map<std::string, Counted>& counted) {
    if (message.subsystem() != NFNL_SUBSYS_NFTABLES || message.type() != NFT_MSG_NEWRULE ||
        message.body.size() < sizeof(nfgenmsg) ||
        wire::read_object<nfgenmsg>(message.body).nfgen_family != wire::protocol_of(table.family)) {
        return;
    }
    const wire::Attrs<NFTA_RULE_MAX> rule(wire::attributes_of(message));
    if (rule.string(NFTA_RULE_TABLE) != table.name) return;
    wire::AttrReader expressions(rule.bytes(NFTA_RULE_EXPRESSIONS));
    while (const auto expression = expressions.next()) {
        const wire::Attrs<NFTA_EXPR_MAX> attrs(expression->value);
        if (attrs.string(NFTA_EXPR_NAME) != "counter") continue;
        const wire::Attrs<NFTA_COUNTER_MAX> counter(attrs.bytes(NFTA_EXPR_DATA));
        Counted& sum = counted[rule.string(NFTA_RULE_CHAIN)];
        sum.packets += counter.u64(NFTA_COUNTER_PACKETS).value_or(0);
        sum.bytes += counter.u64(NFTA_COUNTER_BYTES).value_or(0);
    }
}

Result<std::map<std::string, Counted>> read_rule_counters(const TableId& table) {
    constexpr const char* kDoing = "read the rules' counters";
    auto socket = NetlinkSocket::open();
    if (!socket) return socket.error();
    wire::WireBuffer request;
    nlmsghdr* const head = request.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE, NLM_F_DUMP,
                                         wire::protocol_of(table.family), socket->take_sequence(1));
    mnl_attr_put_strz(head, NFTA_RULE_TABLE, table.name.c_str());
    request.end();
    if (auto sent = socket->send(request.bytes()); !sent) return sent.error();
    std::map<std::string, Counted> counted;
    for (;;) {
        const auto received = socket->receive(NetlinkSocket::Wait::yes);
        if (!received) return received.error();
        if (!*received) return Error{.code = Errc::io, .os_error = ETIMEDOUT, .doing = kDoing};
        wire::MessageReader reader(**received);
        while (const auto message = reader.next()) {
            if (message->header.nlmsg_type == NLMSG_DONE) return counted;
            if (message->header.nlmsg_type == NLMSG_ERROR) {
                const int os_error =
                    message->body.size() < sizeof(int) ? 0 : -wire::read_object<int>(message->body);
                if (os_error == ENOENT || os_error == 0) return counted;
                return Error{.code = classify(os_error), .os_error = os_error, .doing = kDoing};
            }
            count_rule(*message, table, counted);
        }
    }
}

}  // namespace podfence::nft
