#include "nft/wire_elements.hpp"

#include <algorithm>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "nft/wire_types.hpp"

namespace podfence::nft::wire {

namespace {

/// A list is closed when it is this long: its length has 16 bits, and the longest pair of elements
/// (names and comments at their limits) is below 1 KiB.
constexpr std::size_t kListBytesMax = std::size_t{62} * 1024;

/// The parts of an entry that a plain element lacks.
struct Extra {
    const Verdict* verdict = nullptr;
    std::string_view comment;
};

void put_bytes(nlmsghdr* message, std::uint16_t type, std::span<const std::uint8_t> bytes) {
    mnl_attr_put(message, type, bytes.size(), bytes.data());
}

void put_key(nlmsghdr* message, std::uint16_t type, const Key& key) {
    nlattr* const nest = mnl_attr_nest_start(message, type);
    put_bytes(message, NFTA_DATA_VALUE, key.bytes());
    mnl_attr_nest_end(message, nest);
}

void put_verdict(nlmsghdr* message, const Verdict& verdict) {
    nlattr* const data = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA);
    nlattr* const nest = mnl_attr_nest_start(message, NFTA_DATA_VERDICT);
    mnl_attr_put_u32(message, NFTA_VERDICT_CODE, htonl(verdict_code(verdict.kind)));
    if (!verdict.chain.empty()) {
        mnl_attr_put_strz(message, NFTA_VERDICT_CHAIN, verdict.chain.c_str());
    }
    mnl_attr_nest_end(message, nest);
    mnl_attr_nest_end(message, data);
}

void put_userdata(nlmsghdr* message, std::string_view comment, bool open) {
    if (comment.empty() && !open) {
        return;
    }
    UdataWriter udata;
    if (!comment.empty()) {
        udata.put_string(Udata::element_comment, comment);
    }
    if (open) {
        udata.put_u32(Udata::element_flags, kElementIntervalOpen);
    }
    put_bytes(message, NFTA_SET_ELEM_USERDATA, udata.bytes());
}

/// Writes elements one after the other, opening messages as needed.
class ElementWriter {
  public:
    ElementWriter(const ElementTarget& target, WireBuffer& out)
        : target_(target),
          out_(out),
          key_size_(key_size(target.spec.key)),
          tree_(target.spec.interval && target.spec.key.size() == 1) {}

    Refusal put(const Element& element, const Extra& extra) {
        if (element.first.bytes().size() != key_size_ || element.last.bytes().size() != key_size_) {
            return "a key is not of the set's type";
        }
        if (!target_.spec.interval && element.first != element.last) {
            return "a range in a set without intervals";
        }
        if (extra.comment.size() > kCommentBytesMax) {
            return "a comment is too long";
        }
        if (message_ == nullptr) {
            open();
        }
        const std::optional<Key> end = tree_ ? successor(element.last) : std::nullopt;
        put_start(element, extra, tree_ && !end);
        if (end) {
            put_end(*end);
        }
        if (message_->nlmsg_len > kListBytesMax) {
            close();
        }
        return std::nullopt;
    }

    void close() {
        if (message_ != nullptr) {
            mnl_attr_nest_end(message_, list_);
            out_.end();
            message_ = nullptr;
        }
    }

  private:
    void open() {
        const std::uint16_t type =
            NFNL_SUBSYS_NFTABLES << 8 | (target_.add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM);
        // NLM_F_EXCL: an element that is there already is drift, and must be told.
        const std::uint16_t flags = target_.add ? NLM_F_CREATE | NLM_F_EXCL : 0;
        message_ = out_.begin(type, flags, target_.protocol, target_.sequence);
        mnl_attr_put_strz(message_, NFTA_SET_ELEM_LIST_TABLE, target_.table.c_str());
        mnl_attr_put_strz(message_, NFTA_SET_ELEM_LIST_SET, target_.set.c_str());
        list_ = mnl_attr_nest_start(message_, NFTA_SET_ELEM_LIST_ELEMENTS);
    }

    void put_start(const Element& element, const Extra& extra, bool open) {
        nlattr* const nest = mnl_attr_nest_start(message_, NFTA_LIST_ELEM);
        put_key(message_, NFTA_SET_ELEM_KEY, element.first);
        if (target_.spec.interval && !tree_) {
            put_key(message_, NFTA_SET_ELEM_KEY_END, element.last);
        }
        if (target_.add) {
            if (extra.verdict != nullptr) {
                put_verdict(message_, *extra.verdict);
            }
            put_userdata(message_, extra.comment, open);
        }
        mnl_attr_nest_end(message_, nest);
    }

    void put_end(const Key& key) {
        nlattr* const nest = mnl_attr_nest_start(message_, NFTA_LIST_ELEM);
        mnl_attr_put_u32(message_, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
        put_key(message_, NFTA_SET_ELEM_KEY, key);
        mnl_attr_nest_end(message_, nest);
    }

    const ElementTarget& target_;
    WireBuffer& out_;
    std::size_t key_size_;
    bool tree_;
    nlmsghdr* message_ = nullptr;
    nlattr* list_ = nullptr;
};

}  // namespace

Refusal put_elements(const ElementTarget& target, std::span<const Element> elements,
                     WireBuffer& out) {
    ElementWriter writer(target, out);
    for (const Element& element : elements) {
        if (const Refusal refusal = writer.put(element, {})) {
            return refusal;
        }
    }
    writer.close();
    return std::nullopt;
}

Refusal put_entries(const ElementTarget& target, std::span<const MapEntry> entries,
                    WireBuffer& out) {
    ElementWriter writer(target, out);
    for (const MapEntry& entry : entries) {
        if (entry.verdict.chain.size() > kNameBytesMax) {
            return "a chain's name is too long";
        }
        if (const Refusal refusal =
                writer.put(entry.key, {.verdict = &entry.verdict, .comment = entry.comment})) {
            return refusal;
        }
    }
    writer.close();
    return std::nullopt;
}

std::uint32_t verdict_code(VerdictKind kind) {
    switch (kind) {
        case VerdictKind::accept:
            return NF_ACCEPT;
        case VerdictKind::drop:
            return NF_DROP;
        case VerdictKind::go_to:
            return static_cast<std::uint32_t>(NFT_GOTO);
        case VerdictKind::jump:
            return static_cast<std::uint32_t>(NFT_JUMP);
        case VerdictKind::ret:
            return static_cast<std::uint32_t>(NFT_RETURN);
    }
    return NF_DROP;
}

std::optional<Key> successor(const Key& key) {
    std::array<std::uint8_t, Key::kBytesMax> bytes{};
    const std::size_t size = key.bytes().size();
    std::ranges::copy(key.bytes(), bytes.begin());
    for (std::size_t i = size; i-- > 0;) {
        if (++bytes[i] != 0) {
            return Key(std::span(bytes).first(size));
        }
    }
    return std::nullopt;
}

std::optional<Key> predecessor(const Key& key) {
    std::array<std::uint8_t, Key::kBytesMax> bytes{};
    const std::size_t size = key.bytes().size();
    std::ranges::copy(key.bytes(), bytes.begin());
    for (std::size_t i = size; i-- > 0;) {
        if (bytes[i]-- != 0) {
            return Key(std::span(bytes).first(size));
        }
    }
    return std::nullopt;
}

Key last_key(std::size_t size) {
    std::array<std::uint8_t, Key::kBytesMax> bytes;
    bytes.fill(0xff);
    return Key(std::span(bytes).first(size));
}

}  // namespace podfence::nft::wire
