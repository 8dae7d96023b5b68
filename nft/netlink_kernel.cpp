#include "nft/netlink_kernel.hpp"

#include <algorithm>
#include <cerrno>

#include <linux/netfilter/nfnetlink.h>

#include "nft/netlink_dump.hpp"
#include "nft/netlink_socket.hpp"
#include "nft/netlink_split.hpp"
#include "nft/passage.hpp"
#include "nft/wire_encode.hpp"
#include "nft/wire_types.hpp"

namespace podfence::nft {

namespace {

/// The two messages around a transaction, the first with its generation.
constexpr std::size_t kFrameBytesMax = 128;

/// Every transaction takes the one lock of nf_tables in its network namespace; others, such as a
/// service proxy, wait for it. Where a batch can be parted without anyone noticing, transactions
/// are kept to this many bytes, some 7,500 elements: 10 to 20 ms.
constexpr std::size_t kTransactionBytesWanted = std::size_t{384} * 1024;

std::string commit_to(const TableId& table) {
    return std::string("commit to ") + (table.family == TableFamily::inet ? "inet " : "netdev ") +
           table.name;
}

/// Reads the answers to one transaction. The kernel queues them before sendmsg returns, in the
/// order of the operations; a failure of the commit as a whole comes first, under the number of the
/// first message.
class Answers {
  public:
    Answers(const Batch& batch, std::uint32_t sequence, std::uint32_t confirming)
        : batch_(batch), sequence_(sequence), confirming_(confirming) {}

    Result<void> read(NetlinkSocket& socket) {
        while (!confirmed_) {
            const auto received = socket.receive(NetlinkSocket::Wait::no);
            if (!received) {
                if (received.error().code != Errc::overrun) {
                    return received.error();
                }
                lost_ = true;  // But an answer that got through may still tell.
                continue;
            }
            if (!*received) {
                break;
            }
            wire::MessageReader reader(**received);
            while (const std::optional<wire::Message> message = reader.next()) {
                take(*message);
            }
        }
        if (first_error_) {
            return *first_error_;
        }
        if (!confirmed_ || lost_) {
            return Error{.code = Errc::overrun,
                         .os_error = ENOBUFS,
                         .doing = commit_to(batch_.table) + ": the kernel's answer was lost"};
        }
        return {};
    }

  private:
    void take(const wire::Message& message) {
        const std::size_t op = message.header.nlmsg_seq - sequence_ - 1;  // -1: of the whole batch
        if (message.header.nlmsg_type != NLMSG_ERROR || message.body.size() < sizeof(int) ||
            (op >= batch_.ops.size() && message.header.nlmsg_seq != sequence_)) {
            return;
        }
        const int os_error = -wire::read_object<int>(message.body);
        if (os_error == 0) {
            // The last operation's: nothing can follow it. After an error it confirms nothing.
            confirmed_ = message.header.nlmsg_seq == confirming_ && !first_error_;
            return;
        }
        if (first_error_) {
            return;
        }
        first_error_ = Error{
            .code = classify(os_error), .os_error = os_error, .doing = commit_to(batch_.table)};
        if (op < batch_.ops.size()) {
            // Who may commit at all is asked of the batch, not of its operations.
            if (first_error_->code == Errc::not_permitted) first_error_->code = Errc::owned;
            first_error_->doing += ": " + wire::describe(batch_.ops[op]);
            first_error_->op = op;
        }
    }

    const Batch& batch_;
    std::uint32_t sequence_;
    std::uint32_t confirming_;
    bool lost_ = false;
    bool confirmed_ = false;
    std::optional<Error> first_error_;
};

}  // namespace

/// The socket, and the memory that stays from one commit to the next.
class NetlinkKernel::Socket {
  public:
    Socket(NetlinkSocket netlink, Ownership ownership) : netlink_(std::move(netlink)) {
        if (ownership == Ownership::owned && knows_owners()) {
            table_flags_ = wire::kTableOwner | wire::kTablePersist;
        }
    }

    Result<Snapshot> dump(const TableId& table) { return dump_table(netlink_, buffer_, table); }

    std::uint32_t port() const { return netlink_.port(); }

    Result<std::uint32_t> generation() { return read_generation(netlink_, buffer_); }

    Result<std::size_t> claim(const TableId& table, std::optional<std::uint32_t> generation) {
        if (table_flags_ == 0) return std::size_t{0};
        const std::uint32_t sequence = netlink_.take_sequence(3);
        buffer_.clear();
        wire::encode_claim(table, generation, sequence, buffer_);
        const Batch batch{.table = table, .ops = {AddTable{}}};
        if (auto sent = netlink_.send(buffer_.bytes()); !sent) {
            return in_commit(sent.error(), batch);
        }
        if (auto read = Answers(batch, sequence, sequence + 1).read(netlink_); !read) {
            return read.error();
        }
        return std::size_t{1};
    }

    Hold makes() const { return table_flags_ == 0 ? Hold::anyone : Hold::ours; }

    Result<std::size_t> commit(const Batch& batch, std::optional<std::uint32_t> generation) {
        buffer_.clear();
        auto done = encode_and_send(batch, generation);
        buffer_.clear();  // A whole table's memory is not kept until the next commit.
        return done;
    }

  private:
    /// `buffer_` is empty.
    Result<std::size_t> encode_and_send(const Batch& batch,
                                        std::optional<std::uint32_t> generation) {
        const std::uint32_t sequence =
            netlink_.take_sequence(static_cast<std::uint32_t>(batch.ops.size()) + 2);
        if (auto encoded = wire::encode(batch, generation, sequence, buffer_, table_flags_);
            !encoded) {
            return encoded.error();
        }
        const std::optional<std::uint32_t> confirming = confirming_sequence();
        if (!confirming) {
            return std::size_t{0};  // Operations on no elements: no message.
        }
        const std::size_t bytes = buffer_.bytes().size();
        for (const std::size_t wanted : {kTransactionBytesWanted, netlink_.datagram_bytes_max()}) {
            if (bytes <= std::min(wanted, netlink_.datagram_bytes_max())) {
                break;
            }
            const auto parts = part(batch, sequence, wanted);
            if (parts) {
                return commit_parts(batch, generation, sequence, *parts);
            }
        }
        if (bytes > netlink_.datagram_bytes_max()) {
            return Error{.code = Errc::too_big,
                         .os_error = EMSGSIZE,
                         .doing = commit_to(batch.table) + ": " + std::to_string(bytes) + " bytes"};
        }
        if (auto sent = netlink_.send(buffer_.bytes()); !sent) {
            return in_commit(sent.error(), batch);
        }
        if (auto read = Answers(batch, sequence, *confirming).read(netlink_); !read) {
            return read.error();
        }
        return std::size_t{1};
    }

    /// Tries to make a table with an owner, in a batch that does not end: the kernel answers each
    /// message, and takes all back (nfnetlink_rcv_batch()). Flags that it does not know it refuses
    /// (nf_tables_newtable()), whatever it thinks of the rest. To take all back costs it a grace
    /// period of RCU, some 10 ms.
    bool knows_owners() {
        const std::uint32_t sequence = netlink_.take_sequence(3);
        wire::encode_claim({.name = "podfence-probe"}, std::nullopt, sequence, buffer_);
        const std::size_t end_bytes = sizeof(nlmsghdr) + sizeof(nfgenmsg);
        if (!netlink_.send(buffer_.bytes().first(buffer_.bytes().size() - end_bytes))) return false;
        const auto received = netlink_.receive(NetlinkSocket::Wait::no);
        if (!received || !*received) return false;
        wire::MessageReader reader(**received);
        const auto answer = reader.next();
        return answer && answer->header.nlmsg_type == NLMSG_ERROR &&
               answer->header.nlmsg_seq == sequence + 1 && answer->body.size() >= sizeof(int) &&
               wire::read_object<int>(answer->body) == 0;
    }

    static Error in_commit(Error error, const Batch& batch) {
        error.doing = commit_to(batch.table) + ": " + error.doing;
        return error;
    }

    /// The sequence number of the message before the batch's end, which asks for the ack.
    std::optional<std::uint32_t> confirming_sequence() {
        std::optional<std::uint32_t> sequence;
        wire::MessageReader reader(buffer_.bytes());
        while (const std::optional<wire::Message> message = reader.next()) {
            if ((message->header.nlmsg_flags & NLM_F_ACK) != 0) {
                sequence = message->header.nlmsg_seq;
            }
        }
        return sequence;
    }

    /// The encoded batch as transactions of at most `bytes_max`, frames included.
    std::optional<std::vector<Part>> part(const Batch& batch, std::uint32_t sequence,
                                          std::size_t bytes_max);
    Result<std::size_t> commit_parts(const Batch& batch, std::optional<std::uint32_t> generation,
                                     std::uint32_t sequence, const std::vector<Part>& parts);
    Result<void> send_part(const Batch& batch, const Part& part,
                           std::optional<std::uint32_t> generation, std::uint32_t sequence);

    NetlinkSocket netlink_;
    std::uint32_t table_flags_ = 0;  ///< Of tables to be made.
    wire::WireBuffer buffer_;
};

Result<void> NetlinkKernel::Socket::send_part(const Batch& batch, const Part& part,
                                              std::optional<std::uint32_t> generation,
                                              std::uint32_t sequence) {
    if (part.messages.empty()) {
        return {};
    }
    wire::WireBuffer framed;
    wire::begin_batch(generation, sequence, framed);
    for (const wire::Bytes& message : part.messages) framed.append(message);
    framed.last()->nlmsg_flags |= NLM_F_ACK;
    const std::uint32_t confirming = framed.last()->nlmsg_seq;
    wire::end_batch(sequence + static_cast<std::uint32_t>(batch.ops.size()) + 1, framed);
    if (auto sent = netlink_.send(framed.bytes()); !sent) {
        return in_commit(sent.error(), batch);
    }
    return Answers(batch, sequence, confirming).read(netlink_);
}

std::optional<std::vector<Part>> NetlinkKernel::Socket::part(const Batch& batch,
                                                             std::uint32_t sequence,
                                                             std::size_t bytes_max) {
    const std::size_t begin_bytes =
        wire::aligned(wire::read_object<nlmsghdr>(buffer_.bytes()).nlmsg_len);
    const std::size_t end_bytes = sizeof(nlmsghdr) + sizeof(nfgenmsg);
    const wire::Bytes messages =
        buffer_.bytes().subspan(begin_bytes, buffer_.bytes().size() - begin_bytes - end_bytes);
    return split(batch, messages, sequence,
                 std::min(bytes_max, netlink_.datagram_bytes_max()) - kFrameBytesMax);
}

/// What fails half-way is taken back: nothing referred to it, so nobody saw it.
Result<std::size_t> NetlinkKernel::Socket::commit_parts(const Batch& batch,
                                                        std::optional<std::uint32_t> generation,
                                                        std::uint32_t sequence,
                                                        const std::vector<Part>& parts) {
    std::size_t transactions = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        // Whether anyone else committed since is asked of each part: all but our own count.
        const auto expected =
            generation ? std::optional(advance(*generation, transactions)) : std::nullopt;
        auto sent = send_part(batch, parts[i], expected, sequence);
        if (sent) {
            if (!parts[i].messages.empty()) ++transactions;
            continue;
        }
        std::vector<std::size_t> done;
        for (std::size_t j = 0; j < i; ++j) {
            for (const wire::Bytes& message : parts[j].messages) {
                const std::size_t op =
                    wire::read_object<nlmsghdr>(message).nlmsg_seq - sequence - 1;
                if (done.empty() || done.back() != op) {
                    done.push_back(op);
                }
            }
        }
        if (!done.empty() && sent.error().code != Errc::overrun) {
            // Should it fail, the next plan finds what is left and deletes it.
            static_cast<void>(commit(undo_of(batch, done), std::nullopt));
        }
        return sent.error();
    }
    return transactions;
}

Result<std::unique_ptr<NetlinkKernel>> NetlinkKernel::open(Ownership ownership) {
    auto netlink = NetlinkSocket::open();
    if (!netlink) {
        return netlink.error();
    }
    auto socket = std::make_unique<Socket>(*std::move(netlink), ownership);
    // The first answer tells whether we may, and whether nf_tables is there.
    if (auto generation = socket->generation(); !generation) {
        return generation.error();
    }
    return std::unique_ptr<NetlinkKernel>(new NetlinkKernel(std::move(socket)));
}

NetlinkKernel::NetlinkKernel(std::unique_ptr<Socket> socket) : socket_(std::move(socket)) {}

NetlinkKernel::~NetlinkKernel() = default;

std::uint32_t NetlinkKernel::port() const {
    return socket_->port();
}

Result<Snapshot> NetlinkKernel::dump(const TableId& table) {
    return socket_->dump(table);
}

Result<std::size_t> NetlinkKernel::commit(const Batch& batch,
                                          std::optional<std::uint32_t> generation) {
    return socket_->commit(batch, generation);
}

Result<std::size_t> NetlinkKernel::claim(const TableId& table,
                                         std::optional<std::uint32_t> generation) {
    return socket_->claim(table, generation);
}

void NetlinkKernel::await_packets() {
    static_cast<void>(nft::await_packets());
}

Hold NetlinkKernel::makes() const {
    return socket_->makes();
}

}  // namespace podfence::nft
