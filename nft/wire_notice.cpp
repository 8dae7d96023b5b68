#include "nft/wire_notice.hpp"

#include <linux/netfilter/nf_tables.h>

#include "nft/wire_encode.hpp"

namespace podfence::nft::wire {

bool concerns(const Message& message, const TableId& id) {
    if (message.subsystem() != NFNL_SUBSYS_NFTABLES || message.type() == NFT_MSG_NEWGEN) {
        return false;
    }
    if (message.body.size() < sizeof(nfgenmsg)) {
        return true;
    }
    const Attrs<NFTA_TABLE_NAME> attrs(attributes_of(message));
    return read_object<nfgenmsg>(message.body).nfgen_family == protocol_of(id.family) &&
           attrs.string(NFTA_TABLE_NAME) == id.name;
}

std::optional<GenerationNotice> generation_notice(const Message& message) {
    if (message.subsystem() != NFNL_SUBSYS_NFTABLES || message.type() != NFT_MSG_NEWGEN) {
        return std::nullopt;
    }
    const Attrs<NFTA_GEN_MAX> attrs(attributes_of(message));
    return GenerationNotice{.id = attrs.u32(NFTA_GEN_ID).value_or(0),
                            .pid = attrs.u32(NFTA_GEN_PROC_PID).value_or(0),
                            .process = attrs.string(NFTA_GEN_PROC_NAME)};
}

}  // namespace podfence::nft::wire
