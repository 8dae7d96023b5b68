#include "nft/netlink_dump.hpp"

#include <cerrno>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "nft/netlink_exchange.hpp"
#include "nft/wire_decode.hpp"
#include "nft/wire_encode.hpp"
#include "nft/wire_notice.hpp"

namespace podfence::nft {

namespace {

constexpr int kPlainDumpsMax = 3;
constexpr int kWatchedDumpsMax = 8;
/// Commits of others that may come between reading the generation and confirming it.
constexpr int kSettlingMax = 2000;
/// Notifications read while waiting for one generation: a bound, not an expectation.
constexpr int kNotificationsMax = 100'000;

/// The generation, at a moment when no commit is under way. The kernel counts the generation up
/// early in a commit (nf_tables_commit() in net/netfilter/nf_tables_api.c) and swaps the contents
/// of interval concatenations later: who reads the new number meanwhile could still dump old
/// elements, and see the same number afterwards. A batch of nothing waits for the commit lock and
/// is refused unless the ruleset is still at the generation.
Result<std::uint32_t> settled_generation(NetlinkSocket& socket, wire::WireBuffer& scratch) {
    for (int attempt = 0; attempt < kSettlingMax; ++attempt) {
        auto generation = read_generation(socket, scratch);
        if (!generation) {
            return generation;
        }
        const std::uint32_t sequence = socket.take_sequence(2);
        scratch.clear();
        wire::begin_batch(*generation, sequence, scratch);
        wire::end_batch(sequence + 1, scratch);
        if (auto sent = socket.send(scratch.bytes()); !sent) {
            return sent.error();
        }
        const auto answer = socket.receive(NetlinkSocket::Wait::no);
        if (!answer) {
            return answer.error();
        }
        if (!*answer) {
            return generation;
        }
    }
    return Error{.code = Errc::interrupted, .os_error = EINTR, .doing = "wait for other commits"};
}

/// Requests about one table into one decoder.
class TableRequests {
  public:
    TableRequests(NetlinkSocket& socket, wire::WireBuffer& scratch, const TableId& id)
        : socket_(socket), scratch_(scratch), id_(id), decoder_(id) {}

    /// `tolerant`: NLM_F_DUMP_INTR does not count where the dump is of our table alone, since the
    /// caller knows by other means that nobody changed that.
    Result<Dumped> all(bool tolerant) {
        if (auto table = request(NFT_MSG_GETTABLE, nullptr); !table || *table != Dumped::whole) {
            return table;
        }
        bool disturbed = false;
        for (const unsigned type : {NFT_MSG_GETCHAIN, NFT_MSG_GETSET, NFT_MSG_GETRULE,
                                    NFT_MSG_GETOBJ, NFT_MSG_GETFLOWTABLE}) {
            // These go through all tables, and continue by counting what they have passed.
            const bool shared = type != NFT_MSG_GETSET && type != NFT_MSG_GETRULE;
            auto dumped = request(type, nullptr);
            if (!dumped) {
                return dumped;
            }
            disturbed |= *dumped == Dumped::absent ||
                         (*dumped == Dumped::disturbed && (shared || !tolerant));
        }
        for (const std::string& set : decoder_.sets()) {
            auto dumped = request(NFT_MSG_GETSETELEM, &set);
            if (!dumped) {
                return dumped;
            }
            disturbed |= *dumped == Dumped::absent || (*dumped == Dumped::disturbed && !tolerant);
        }
        return disturbed ? Dumped::disturbed : Dumped::whole;
    }

    Snapshot take(std::uint32_t generation) {
        const Hold hold = decoder_.hold(socket_.port());
        return {.table = std::move(decoder_).finish(), .hold = hold, .generation = generation};
    }

  private:
    Result<Dumped> request(unsigned type, const std::string* set) {
        static_assert(NFTA_TABLE_NAME == 1 && int{NFTA_CHAIN_TABLE} == 1 &&
                      int{NFTA_SET_TABLE} == 1 && int{NFTA_RULE_TABLE} == 1 &&
                      int{NFTA_OBJ_TABLE} == 1 && int{NFTA_FLOWTABLE_TABLE} == 1 &&
                      int{NFTA_SET_ELEM_LIST_TABLE} == 1);
        scratch_.clear();
        const std::uint16_t flags = type == NFT_MSG_GETTABLE ? 0 : NLM_F_DUMP;
        nlmsghdr* const message =
            scratch_.begin(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), flags,
                           wire::protocol_of(id_.family), socket_.take_sequence(1));
        mnl_attr_put_strz(message, NFTA_TABLE_NAME, id_.name.c_str());
        if (set != nullptr) {
            mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set->c_str());
        }
        scratch_.end();
        return exchange(socket_, scratch_, "dump the table",
                        [this](const wire::Message& m) { decoder_.feed(m); });
    }

    NetlinkSocket& socket_;
    wire::WireBuffer& scratch_;
    const TableId& id_;
    wire::TableDecoder decoder_;
};

/// One attempt, judged by the generation. nullopt: disturbed.
Result<std::optional<Snapshot>> dump_plainly(NetlinkSocket& socket, wire::WireBuffer& scratch,
                                             const TableId& id) {
    const auto before = settled_generation(socket, scratch);
    if (!before) {
        return before.error();
    }
    TableRequests requests(socket, scratch, id);
    const auto dumped = requests.all(false);
    if (!dumped) {
        return dumped.error();
    }
    if (*dumped == Dumped::absent) {
        return std::optional(Snapshot{.table = std::nullopt, .generation = *before});
    }
    const auto after = read_generation(socket, scratch);
    if (!after) {
        return after.error();
    }
    if (*dumped == Dumped::disturbed || *before != *after) {
        return std::optional<Snapshot>();
    }
    return std::optional(requests.take(*after));
}

/// Reads the notifications of all commits up to `generation`. True: none touched the table. The
/// kernel ends each commit's notifications with NFT_MSG_NEWGEN.
Result<bool> untouched_until(NetlinkSocket& events, std::uint32_t generation, const TableId& id) {
    bool untouched = true;
    for (int i = 0; i < kNotificationsMax; ++i) {
        const auto received = events.receive(NetlinkSocket::Wait::yes);
        if (!received && received.error().code != Errc::overrun) {
            return received.error();
        }
        if (!received || !*received) {
            return false;  // Lost, or late: not known to be untouched.
        }
        wire::MessageReader reader(**received);
        while (const std::optional<wire::Message> message = reader.next()) {
            untouched = untouched && !wire::concerns(*message, id);
            const auto end = wire::generation_notice(*message);
            if (end && end->id == generation) return untouched;
        }
    }
    return false;
}

/// One attempt, judged by what others changed meanwhile. nullopt: disturbed.
Result<std::optional<Snapshot>> dump_watched(NetlinkSocket& socket, wire::WireBuffer& scratch,
                                             const TableId& id) {
    auto events = NetlinkSocket::open();
    if (!events) {
        return events.error();
    }
    if (auto subscribed = events->subscribe(); !subscribed) {
        return subscribed.error();
    }
    const auto before = settled_generation(socket, scratch);
    if (!before) {
        return before.error();
    }
    TableRequests requests(socket, scratch, id);
    const auto dumped = requests.all(true);
    if (!dumped) {
        return dumped.error();
    }
    if (*dumped == Dumped::absent) {
        return std::optional(Snapshot{.table = std::nullopt, .generation = *before});
    }
    const auto after = read_generation(socket, scratch);
    if (!after) {
        return after.error();
    }
    if (*dumped == Dumped::disturbed) {
        return std::optional<Snapshot>();
    }
    if (*before != *after) {
        const auto untouched = untouched_until(*events, *after, id);
        if (!untouched) {
            return untouched.error();
        }
        if (!*untouched) {
            return std::optional<Snapshot>();
        }
    }
    return std::optional(requests.take(*after));
}

}  // namespace

Result<std::uint32_t> read_generation(NetlinkSocket& socket, wire::WireBuffer& scratch) {
    constexpr const char* kDoing = "read the ruleset's generation";
    scratch.clear();
    scratch.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, 0, AF_UNSPEC,
                  socket.take_sequence(1));
    scratch.end();
    std::optional<std::uint32_t> generation;
    const auto dumped = exchange(socket, scratch, kDoing, [&](const wire::Message& message) {
        generation = wire::Attrs<NFTA_GEN_MAX>(wire::attributes_of(message)).u32(NFTA_GEN_ID);
    });
    if (!dumped) {
        return dumped.error();
    }
    if (!generation) {
        return Error{.code = Errc::malformed, .doing = kDoing};
    }
    return *generation;
}

Result<Snapshot> dump_table(NetlinkSocket& socket, wire::WireBuffer& scratch, const TableId& id) {
    for (int attempt = 0; attempt < kPlainDumpsMax + kWatchedDumpsMax; ++attempt) {
        auto snapshot = attempt < kPlainDumpsMax ? dump_plainly(socket, scratch, id)
                                                 : dump_watched(socket, scratch, id);
        if (!snapshot) {
            return snapshot.error();
        }
        if (*snapshot) {
            return **std::move(snapshot);
        }
    }
    return Error{.code = Errc::interrupted, .os_error = EINTR, .doing = "dump the table"};
}

}  // namespace podfence::nft
