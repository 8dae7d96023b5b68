#include "nft/wire_encode.hpp"

#include <cerrno>
#include <memory>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "nft/wire_elements.hpp"
#include "nft/wire_rule.hpp"
#include "nft/wire_types.hpp"

namespace podfence::nft::wire {

namespace {

struct FreeTable {
    void operator()(nftnl_table* table) const { nftnl_table_free(table); }
};
struct FreeSet {
    void operator()(nftnl_set* set) const { nftnl_set_free(set); }
};
struct FreeChain {
    void operator()(nftnl_chain* chain) const { nftnl_chain_free(chain); }
};

constexpr std::uint16_t message_type(unsigned type) {
    return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
}

/// BYTEORDER_* of nft's include/datatype.h, by which it knows how to print a key.
constexpr std::uint32_t kByteorderInvalid = 0;
constexpr std::uint32_t kByteorderHostEndian = 1;
constexpr std::uint32_t kByteorderBigEndian = 2;

std::uint32_t byteorder_of(const SetSpec& spec) {
    const bool numberless = spec.key.size() > 1 || spec.key.front() == FieldType::inet_proto;
    return numberless                                   ? kByteorderInvalid
           : spec.key.front() == FieldType::iface_index ? kByteorderHostEndian
                                                        : kByteorderBigEndian;
}

/// NF_INET_* or NF_NETDEV_*.
std::uint32_t hook_number(Hook hook) {
    return hook == Hook::ingress ? std::uint32_t{NF_NETDEV_INGRESS}
                                 : static_cast<std::uint32_t>(hook);
}

/// As the kernel's dev_valid_name() has it, in what would break a message.
bool valid_device(const std::string& name) {
    return !name.empty() && name.size() < IFNAMSIZ && name.find('\0') == std::string::npos;
}

/// Encodes the operations of one batch; called once for each, in order.
class Encoder {
  public:
    Encoder(const TableId& table, std::uint32_t first_sequence, std::uint32_t table_flags,
            WireBuffer& out)
        : table_(table),
          protocol_(protocol_of(table.family)),
          sequence_(first_sequence),
          table_flags_(table_flags),
          out_(out) {}

    void next_operation() { ++sequence_; }

    Refusal operator()(const AddTable&) {
        put_table(NFT_MSG_NEWTABLE, kCreate, table_flags_);
        return std::nullopt;
    }
    Refusal operator()(const DeleteTable&) {
        put_table(NFT_MSG_DELTABLE, 0, 0);
        return std::nullopt;
    }
    void claim() { put_table(NFT_MSG_NEWTABLE, NLM_F_ACK, table_flags_); }
    Refusal operator()(const AddSet& set) { return put_set(set.name, set.spec, false); }
    Refusal operator()(const AddMap& map) { return put_set(map.name, map.spec, true); }
    Refusal operator()(const DeleteSet& set) {
        const std::unique_ptr<nftnl_set, FreeSet> s(nftnl_set_alloc());
        nftnl_set_set_str(s.get(), NFTNL_SET_TABLE, table_.name.c_str());
        nftnl_set_set_str(s.get(), NFTNL_SET_NAME, set.name.c_str());
        nftnl_set_nlmsg_build_payload(begin(NFT_MSG_DELSET, 0), s.get());
        out_.end();
        return std::nullopt;
    }
    Refusal operator()(const AddElements& op) {
        return put_elements(target(op.set, op.spec, true), op.elements, out_);
    }
    Refusal operator()(const DeleteElements& op) {
        return put_elements(target(op.set, op.spec, false), op.elements, out_);
    }
    Refusal operator()(const AddEntries& op) {
        return put_entries(target(op.map, op.spec, true), op.entries, out_);
    }
    Refusal operator()(const DeleteEntries& op) {
        return put_entries(target(op.map, op.spec, false), op.entries, out_);
    }
    Refusal operator()(const AddChain& chain);
    Refusal operator()(const FlushChain& chain) {
        // Without a handle the kernel deletes every rule of the chain.
        nlmsghdr* const message = begin(NFT_MSG_DELRULE, 0);
        mnl_attr_put_strz(message, NFTA_RULE_TABLE, table_.name.c_str());
        mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain.name.c_str());
        out_.end();
        return std::nullopt;
    }
    Refusal operator()(const DeleteChain& chain) {
        nlmsghdr* const message = begin(NFT_MSG_DELCHAIN, 0);
        mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, table_.name.c_str());
        mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain.name.c_str());
        out_.end();
        return std::nullopt;
    }
    Refusal operator()(const AddRules& op) {
        const RuleTarget target{.family = table_.family,
                                .table = table_.name,
                                .chain = op.chain,
                                .sequence = sequence_};
        for (const Rule& rule : op.rules) {
            if (const Refusal refusal = put_rule(target, rule, out_)) {
                return refusal;
            }
        }
        return std::nullopt;
    }

  private:
    /// With EXCL what is there already is refused: it means that the view was stale.
    static constexpr std::uint16_t kCreate = NLM_F_CREATE | NLM_F_EXCL;

    nlmsghdr* begin(unsigned type, std::uint16_t flags) {
        return out_.begin(message_type(type), flags, protocol_, sequence_);
    }
    ElementTarget target(const std::string& set, const SetSpec& spec, bool add) const {
        return {.protocol = protocol_,
                .table = table_.name,
                .set = set,
                .spec = spec,
                .add = add,
                .sequence = sequence_};
    }
    void put_table(unsigned type, std::uint16_t flags, std::uint32_t table_flags) {
        const std::unique_ptr<nftnl_table, FreeTable> t(nftnl_table_alloc());
        nftnl_table_set_str(t.get(), NFTNL_TABLE_NAME, table_.name.c_str());
        if (table_flags != 0) nftnl_table_set_u32(t.get(), NFTNL_TABLE_FLAGS, table_flags);
        nftnl_table_nlmsg_build_payload(begin(type, flags), t.get());
        out_.end();
    }
    Refusal put_set(const std::string& name, const SetSpec& spec, bool map);

    const TableId& table_;
    std::uint8_t protocol_;
    std::uint32_t sequence_;
    std::uint32_t table_flags_;
    WireBuffer& out_;
    std::uint32_t set_id_ = 0;
};

Refusal Encoder::put_set(const std::string& name, const SetSpec& spec, bool map) {
    if (spec.key.empty() || key_size(spec.key) > Key::kBytesMax) {
        return "a set's key is empty or too long";
    }
    if (spec.comment.size() > kCommentBytesMax) {
        return "a comment is too long";
    }
    const std::unique_ptr<nftnl_set, FreeSet> s(nftnl_set_alloc());
    nftnl_set_set_str(s.get(), NFTNL_SET_TABLE, table_.name.c_str());
    nftnl_set_set_str(s.get(), NFTNL_SET_NAME, name.c_str());
    nftnl_set_set_u32(s.get(), NFTNL_SET_ID,
                      ++set_id_);  // Only for anonymous sets of use, but due.
    nftnl_set_set_u32(s.get(), NFTNL_SET_FLAGS, set_flags(spec, map));
    nftnl_set_set_u32(s.get(), NFTNL_SET_KEY_TYPE, type_id(spec.key));
    nftnl_set_set_u32(s.get(), NFTNL_SET_KEY_LEN, static_cast<std::uint32_t>(key_size(spec.key)));
    if (map) {
        nftnl_set_set_u32(s.get(), NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
        nftnl_set_set_u32(s.get(), NFTNL_SET_DATA_LEN, 0);
    }
    if (spec.size != 0) {
        nftnl_set_set_u32(s.get(), NFTNL_SET_DESC_SIZE, spec.size);
    }
    if (spec.interval && spec.key.size() > 1) {
        std::array<std::uint8_t, Key::kBytesMax / 4> lengths{};
        for (std::size_t i = 0; i < spec.key.size(); ++i) {
            lengths[i] = static_cast<std::uint8_t>(size_of(spec.key[i]));
        }
        nftnl_set_set_data(s.get(), NFTNL_SET_DESC_CONCAT, lengths.data(),
                           static_cast<std::uint32_t>(spec.key.size()));
    }
    UdataWriter udata;
    udata.put_u32(Udata::set_key_byteorder, byteorder_of(spec));
    if (map) {
        udata.put_u32(Udata::set_data_byteorder, kByteorderInvalid);
    }
    if (!spec.comment.empty()) {
        udata.put_string(Udata::set_comment, spec.comment);
    }
    nftnl_set_set_data(s.get(), NFTNL_SET_USERDATA, udata.bytes().data(),
                       static_cast<std::uint32_t>(udata.bytes().size()));
    nftnl_set_nlmsg_build_payload(begin(NFT_MSG_NEWSET, kCreate), s.get());
    out_.end();
    return std::nullopt;
}

Refusal Encoder::operator()(const AddChain& chain) {
    if (chain.comment.size() > kCommentBytesMax) {
        return "a comment is too long";
    }
    const std::unique_ptr<nftnl_chain, FreeChain> c(nftnl_chain_alloc());
    nftnl_chain_set_str(c.get(), NFTNL_CHAIN_TABLE, table_.name.c_str());
    nftnl_chain_set_str(c.get(), NFTNL_CHAIN_NAME, chain.name.c_str());
    if (chain.base) {
        if ((chain.base->hook == Hook::ingress) != (table_.family == TableFamily::netdev)) {
            return "a hook that its table does not have";
        }
        if ((chain.base->hook == Hook::ingress) != valid_device(chain.base->device)) {
            return "an ingress hook without an interface, or an interface without that";
        }
        // type filter hook forward priority -10; policy accept;
        // type filter hook ingress device "veth0" priority -10; policy accept;
        nftnl_chain_set_str(c.get(), NFTNL_CHAIN_TYPE, "filter");
        nftnl_chain_set_u32(c.get(), NFTNL_CHAIN_HOOKNUM, hook_number(chain.base->hook));
        nftnl_chain_set_s32(c.get(), NFTNL_CHAIN_PRIO, chain.base->priority);
        nftnl_chain_set_u32(c.get(), NFTNL_CHAIN_POLICY,
                            chain.base->policy_accept ? NF_ACCEPT : NF_DROP);
        if (!chain.base->device.empty()) {
            nftnl_chain_set_str(c.get(), NFTNL_CHAIN_DEV, chain.base->device.c_str());
        }
    }
    if (!chain.comment.empty()) {
        UdataWriter udata;
        udata.put_string(Udata::chain_comment, chain.comment);
        nftnl_chain_set_data(c.get(), NFTNL_CHAIN_USERDATA, udata.bytes().data(),
                             static_cast<std::uint32_t>(udata.bytes().size()));
    }
    nftnl_chain_nlmsg_build_payload(begin(NFT_MSG_NEWCHAIN, kCreate), c.get());
    out_.end();
    return std::nullopt;
}

static_assert(static_cast<int>(Hook::prerouting) == NF_INET_PRE_ROUTING &&
              static_cast<int>(Hook::input) == NF_INET_LOCAL_IN &&
              static_cast<int>(Hook::forward) == NF_INET_FORWARD &&
              static_cast<int>(Hook::output) == NF_INET_LOCAL_OUT &&
              static_cast<int>(Hook::postrouting) == NF_INET_POST_ROUTING);

struct VerbOf {
    const char* operator()(const AddTable&) const { return "add table"; }
    const char* operator()(const DeleteTable&) const { return "delete table"; }
    const char* operator()(const AddSet&) const { return "add set"; }
    const char* operator()(const AddMap&) const { return "add map"; }
    const char* operator()(const DeleteSet&) const { return "delete set"; }
    const char* operator()(const AddElements&) const { return "add elements of"; }
    const char* operator()(const DeleteElements&) const { return "delete elements of"; }
    const char* operator()(const AddEntries&) const { return "add entries of"; }
    const char* operator()(const DeleteEntries&) const { return "delete entries of"; }
    const char* operator()(const AddChain&) const { return "add chain"; }
    const char* operator()(const FlushChain&) const { return "flush chain"; }
    const char* operator()(const DeleteChain&) const { return "delete chain"; }
    const char* operator()(const AddRules&) const { return "add rules of"; }
};

/// libmnl copies strings unchecked into the message: names are checked before.
bool valid_name(const std::string& name) {
    return !name.empty() && name.size() <= kNameBytesMax && name.find('\0') == std::string::npos;
}

Refusal check_names(const TableId& table, const Op& op) {
    const std::string* name = object_of(op);
    return valid_name(table.name) && (name == nullptr || valid_name(*name))
               ? std::nullopt
               : Refusal("a name is empty, too long or has a zero byte");
}

}  // namespace

std::uint8_t protocol_of(TableFamily family) {
    return family == TableFamily::inet ? NFPROTO_INET : NFPROTO_NETDEV;
}

void begin_batch(std::optional<std::uint32_t> generation, std::uint32_t sequence, WireBuffer& out) {
    nlmsghdr* const message =
        out.begin(NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, sequence, NFNL_SUBSYS_NFTABLES);
    if (generation) {
        mnl_attr_put_u32(message, NFNL_BATCH_GENID, htonl(*generation));
    }
    out.end();
}

void end_batch(std::uint32_t sequence, WireBuffer& out) {
    out.begin(NFNL_MSG_BATCH_END, 0, AF_UNSPEC, sequence, NFNL_SUBSYS_NFTABLES);
    out.end();
}

void encode_claim(const TableId& table, std::optional<std::uint32_t> generation,
                  std::uint32_t sequence, WireBuffer& out) {
    begin_batch(generation, sequence, out);
    Encoder encoder(table, sequence, kTableOwner | kTablePersist, out);
    encoder.next_operation();
    encoder.claim();
    end_batch(sequence + 2, out);
}

Result<void> encode(const Batch& batch, std::optional<std::uint32_t> generation,
                    std::uint32_t sequence, WireBuffer& out, std::uint32_t table_flags) {
    begin_batch(generation, sequence, out);
    const std::size_t body = out.bytes().size();
    Encoder encoder(batch.table, sequence, table_flags, out);
    for (std::size_t i = 0; i < batch.ops.size(); ++i) {
        encoder.next_operation();
        Refusal refusal = check_names(batch.table, batch.ops[i]);
        if (!refusal) {
            refusal = std::visit(encoder, batch.ops[i]);
        }
        if (refusal) {
            return Error{.code = Errc::rejected,
                         .os_error = EINVAL,
                         .doing = describe(batch.ops[i]) + ": " + std::string(*refusal),
                         .op = i};
        }
    }
    if (out.bytes().size() != body) {
        out.last()->nlmsg_flags |= NLM_F_ACK;
    }
    end_batch(sequence + static_cast<std::uint32_t>(batch.ops.size()) + 1, out);
    return {};
}

std::string describe(const Op& op) {
    const std::string verb = std::visit(VerbOf{}, op);
    const std::string* name = object_of(op);
    return name == nullptr ? verb : verb + " " + *name;
}

}  // namespace podfence::nft::wire
