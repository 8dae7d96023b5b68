#include "test/support/lab_witness.hpp"

#include <array>
#include <cstdint>

#include <arpa/inet.h>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "test/support/lab_process.hpp"

namespace podfence::lab {
namespace {

constexpr const char* kTable = R"(
table inet pflab
delete table inet pflab
table inet pflab {
    counter before {}
    counter after {}
    chain forward-first { type filter hook forward priority -400; ct direction original counter name before; }
    chain forward-last { type filter hook forward priority 400; ct direction original counter name after; }
    chain input-first { type filter hook input priority -400; ct direction original counter name before; }
    chain input-last { type filter hook input priority 400; ct direction original counter name after; }
}
)";

int on_counter_data(const nlattr* attribute, void* packets) {
    if (mnl_attr_get_type(attribute) == NFTA_COUNTER_PACKETS)
        *static_cast<std::uint64_t*>(packets) = be64toh(mnl_attr_get_u64(attribute));
    return MNL_CB_OK;
}

int on_object_attribute(const nlattr* attribute, void* packets) {
    if (mnl_attr_get_type(attribute) == NFTA_OBJ_DATA)
        return mnl_attr_parse_nested(attribute, on_counter_data, packets);
    return MNL_CB_OK;
}

int on_object(const nlmsghdr* message, void* packets) {
    return mnl_attr_parse(message, sizeof(nfgenmsg), on_object_attribute, packets);
}

}  // namespace

/// A netlink socket in the node's namespace.
class Witness::Node {
  public:
    explicit Node(const NetNs& ns) {
        const Stay stay = ns.enter();
        socket_.reset(mnl_socket_open(NETLINK_NETFILTER));
        if (!socket_ || mnl_socket_bind(socket_.get(), 0, MNL_SOCKET_AUTOPID) < 0)
            fail_errno("open a netlink socket");
    }

    /// Counters are asked for by name, since a dump would be interrupted by any commit.
    std::uint64_t dropped() {
        const std::uint64_t before = packets("before");
        return before - packets("after");
    }

    void forget_connections() {
        talk(start(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, NLM_F_ACK, NFPROTO_UNSPEC),
             nullptr, nullptr);
    }

  private:
    std::uint64_t packets(const char* counter) {
        auto* message = start(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETOBJ, NLM_F_ACK, NFPROTO_INET);
        mnl_attr_put_strz(message, NFTA_OBJ_TABLE, "pflab");
        mnl_attr_put_strz(message, NFTA_OBJ_NAME, counter);
        mnl_attr_put_u32(message, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
        std::uint64_t packets = 0;
        talk(message, on_object, &packets);
        return packets;
    }

    nlmsghdr* start(int type, unsigned flags, int family) {
        nlmsghdr* message = mnl_nlmsg_put_header(buffer_.data());
        message->nlmsg_type = static_cast<std::uint16_t>(type);
        message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
        message->nlmsg_seq = ++sequence_;
        auto* header =
            static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
        header->nfgen_family = static_cast<std::uint8_t>(family);
        header->version = NFNETLINK_V0;
        return message;
    }

    void talk(const nlmsghdr* message, mnl_cb_t callback, void* context) {
        if (mnl_socket_sendto(socket_.get(), message, message->nlmsg_len) < 0)
            fail_errno("send to netlink");
        int more = MNL_CB_OK;
        while (more > MNL_CB_STOP) {
            const ssize_t n = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
            if (n < 0) fail_errno("receive from netlink");
            more = mnl_cb_run(buffer_.data(), static_cast<std::size_t>(n), sequence_,
                              mnl_socket_get_portid(socket_.get()), callback, context);
            if (more < 0) fail_errno("netlink answer");
        }
    }

    struct Close {
        void operator()(mnl_socket* s) const { mnl_socket_close(s); }
    };
    std::unique_ptr<mnl_socket, Close> socket_;
    std::array<char, 32768> buffer_{};
    std::uint32_t sequence_ = 0;
};

Witness::Witness(const Network& network) : network_(network) {
    for (std::size_t n = 0; n < network.node_count(); ++n) {
        const Stay stay = network.node(n).ns.enter();
        check_program({"nft", "-f", "-"}, kTable);
        nodes_.push_back(std::make_unique<Node>(network.node(n).ns));
    }
}

Witness::~Witness() {
    for (std::size_t n = 0; n < network_.node_count(); ++n) {
        const Stay stay = network_.node(n).ns.enter();
        run_program({"nft", "delete", "table", "inet", "pflab"});
    }
}

std::uint64_t Witness::dropped() {
    std::uint64_t sum = 0;
    for (const auto& node : nodes_) sum += node->dropped();
    return sum;
}

void Witness::forget_connections() {
    for (const auto& node : nodes_) node->forget_connections();
}

}  // namespace podfence::lab
