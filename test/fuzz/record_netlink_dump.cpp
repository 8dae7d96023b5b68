// Records what the kernel sends for a ruleset, as input for fuzz_netlink_dump:
//   record_netlink_dump RULESET.nft OUTPUT
// The ruleset (its table is inet or netdev podfence) is loaded by nft into a namespace that goes
// with this program.

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "nft/netlink_socket.hpp"
#include "nft/wire_buffer.hpp"
#include "nft/wire_decode.hpp"
#include "nft/wire_encode.hpp"
#include "test/support/netns.hpp"

namespace {

using namespace podfence;
using namespace podfence::nft;

/// Asks, and appends all messages of the answer but the last, which only says that it is the last.
void record(NetlinkSocket& socket, const TableId& id, unsigned type, const std::string& set,
            std::vector<std::uint8_t>& out) {
    wire::WireBuffer request;
    const bool dump = type != NFT_MSG_GETTABLE;
    nlmsghdr* const message =
        request.begin(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type),
                      dump ? NLM_F_DUMP : 0, wire::protocol_of(id.family), socket.take_sequence(1));
    mnl_attr_put_strz(message, NFTA_TABLE_NAME, id.name.c_str());
    if (!set.empty()) mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set.c_str());
    request.end();
    socket.send(request.bytes()).value();
    for (bool more = true; more;) {
        const auto datagram = socket.receive(NetlinkSocket::Wait::no).value();
        if (!datagram) return;
        wire::MessageReader reader(*datagram);
        while (const auto part = reader.next()) {
            more = dump && part->header.nlmsg_type != NLMSG_DONE;
            if (part->header.nlmsg_type == NLMSG_DONE || part->header.nlmsg_type == NLMSG_ERROR) {
                continue;
            }
            const auto* const begin = part->body.data() - sizeof(nlmsghdr);
            out.insert(out.end(), begin, begin + wire::aligned(part->header.nlmsg_len));
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: record_netlink_dump RULESET.nft OUTPUT\n");
        return 2;
    }
    std::ifstream ruleset(argv[1]);
    const test::PrivateNetns netns;
    test::nft_load({std::istreambuf_iterator<char>(ruleset), {}});
    auto socket = NetlinkSocket::open().value();
    std::vector<std::uint8_t> bytes;
    for (const TableFamily family : {TableFamily::inet, TableFamily::netdev}) {
        const TableId id{.family = family};
        for (const unsigned type : {NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETSET,
                                    NFT_MSG_GETRULE, NFT_MSG_GETOBJ, NFT_MSG_GETFLOWTABLE}) {
            record(socket, id, type, {}, bytes);
        }
        wire::TableDecoder decoder(id);
        wire::MessageReader reader(bytes);
        while (const auto message = reader.next()) decoder.feed(*message);
        for (const std::string& set : decoder.sets()) {
            record(socket, id, NFT_MSG_GETSETELEM, set, bytes);
        }
    }
    std::ofstream(argv[2], std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return 0;
}
