#include "nft/wire_decode.hpp"

#include <algorithm>
#include <cstring>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "nft/wire_decode_expr.hpp"
#include "nft/wire_elements.hpp"
#include "nft/wire_encode.hpp"
#include "nft/wire_types.hpp"

namespace podfence::nft::wire {

namespace {

/// The type, hook, priority and policy of a base chain; nullopt when our types cannot say it.
std::optional<BaseChain> decode_base(TableFamily family, const Attrs<NFTA_CHAIN_MAX>& attrs) {
    const Attrs<NFTA_HOOK_MAX> hook(attrs.bytes(NFTA_CHAIN_HOOK));
    const auto number = hook.u32(NFTA_HOOK_HOOKNUM);
    const auto priority = hook.u32(NFTA_HOOK_PRIORITY);
    const auto policy = attrs.u32(NFTA_CHAIN_POLICY);
    const bool netdev = family == TableFamily::netdev;
    const std::uint32_t number_max = netdev ? +NF_NETDEV_INGRESS : +NF_INET_POST_ROUTING;
    // NFTA_HOOK_DEV is there when the chain has exactly one interface. Some kernels (6.12) keep a
    // chain whose interface is gone, without any.
    const bool bound = hook.has(NFTA_HOOK_DEV);
    const bool unbound = hook.bytes(NFTA_HOOK_DEVS).empty();
    if (attrs.string(NFTA_CHAIN_TYPE) != "filter" || !number || *number > number_max || !priority ||
        !policy || *policy > NF_ACCEPT || (netdev ? !bound && !unbound : bound)) {
        return std::nullopt;
    }
    return BaseChain{.hook = netdev ? Hook::ingress : static_cast<Hook>(*number),
                     .priority = static_cast<std::int32_t>(*priority),
                     .policy_accept = *policy == NF_ACCEPT,
                     .device = hook.string(NFTA_HOOK_DEV)};
}

/// Whether the lengths of the fields of a concatenation are those of their types.
bool concat_matches(const std::vector<FieldType>& key, Bytes concat) {
    AttrReader reader(concat);
    for (const FieldType type : key) {
        const std::optional<Attr> field = reader.next();
        if (!field || Attrs<NFTA_SET_FIELD_MAX>(field->value).u32(NFTA_SET_FIELD_LEN) !=
                          static_cast<std::uint32_t>(size_of(type))) {
            return false;
        }
    }
    return !reader.next();
}

/// What of a set is fixed when it is made; nullopt when we never make such a set.
std::optional<SetSpec> decode_spec(const Attrs<NFTA_SET_MAX>& attrs) {
    auto key = fields_of(attrs.u32(NFTA_SET_KEY_TYPE).value_or(0));
    const std::uint32_t flags = attrs.u32(NFTA_SET_FLAGS).value_or(0);
    if (!key || attrs.u32(NFTA_SET_KEY_LEN) != key_size(*key) || attrs.has(NFTA_SET_TIMEOUT) ||
        attrs.has(NFTA_SET_EXPR) || attrs.has(NFTA_SET_EXPRESSIONS) ||
        attrs.has(NFTA_SET_OBJ_TYPE)) {
        return std::nullopt;
    }
    const bool map = (flags & NFT_SET_MAP) != 0;
    if (map && attrs.u32(NFTA_SET_DATA_TYPE) != std::uint32_t{NFT_DATA_VERDICT}) {
        return std::nullopt;
    }
    const Attrs<NFTA_SET_DESC_MAX> desc(attrs.bytes(NFTA_SET_DESC));
    SetSpec spec{.key = *std::move(key),
                 .interval = (flags & NFT_SET_INTERVAL) != 0,
                 .size = desc.u32(NFTA_SET_DESC_SIZE).value_or(0),
                 .comment = udata_string(attrs.bytes(NFTA_SET_USERDATA), Udata::set_comment)};
    if (flags != set_flags(spec, map) ||
        (spec.interval && spec.key.size() > 1 &&
         !concat_matches(spec.key, desc.bytes(NFTA_SET_DESC_CONCAT)))) {
        return std::nullopt;
    }
    return spec;
}

template <class T, class Projection>
void sort_unique(std::vector<T>& values, Projection projection) {
    std::ranges::sort(values, {}, projection);
    const auto tail = std::ranges::unique(values);
    values.erase(tail.begin(), tail.end());
}

}  // namespace

TableDecoder::TableDecoder(TableId id) {
    table_.id = std::move(id);
}

void TableDecoder::feed(const Message& message) {
    if (message.subsystem() != NFNL_SUBSYS_NFTABLES || message.body.size() < sizeof(nfgenmsg) ||
        read_object<nfgenmsg>(message.body).nfgen_family != protocol_of(table_.id.family)) {
        return;
    }
    const Bytes attributes = attributes_of(message);
    // NFTA_*_TABLE is 1 in all of these messages; in a table's own it is its name.
    if (Attrs<NFTA_TABLE_NAME>(attributes).string(NFTA_TABLE_NAME) != table_.id.name) {
        return;
    }
    switch (message.type()) {
        case NFT_MSG_NEWTABLE:
            return feed_table(attributes);
        case NFT_MSG_NEWCHAIN:
            return feed_chain(attributes);
        case NFT_MSG_NEWSET:
            return feed_set(attributes);
        case NFT_MSG_NEWSETELEM:
            return feed_elements(attributes);
        case NFT_MSG_NEWRULE:
            return feed_rule(attributes);
        case NFT_MSG_NEWOBJ:
            return feed_named("object", attributes);
        case NFT_MSG_NEWFLOWTABLE:
            return feed_named("flowtable", attributes);
        default:
            return;
    }
}

std::vector<std::string> TableDecoder::sets() const {
    std::vector<std::string> names;
    names.reserve(sets_.size());
    for (const auto& [name, set] : sets_) names.push_back(name);
    return names;
}

Hold TableDecoder::hold(std::uint32_t own_port) const {
    if ((hold_flags_ & kTableOwner) != 0) return owner_ == own_port ? Hold::ours : Hold::others;
    return hold_flags_ != 0 ? Hold::orphan : Hold::anyone;
}

void TableDecoder::feed_table(Bytes attributes) {
    found_ = true;
    const Attrs<NFTA_TABLE_MAX> attrs(attributes);
    const std::uint32_t flags = attrs.u32(NFTA_TABLE_FLAGS).value_or(0);
    hold_flags_ = flags & (kTableOwner | kTablePersist);
    owner_ = attrs.u32(NFTA_TABLE_OWNER).value_or(0);
    table_.flags = flags & ~hold_flags_;
}

void TableDecoder::feed_chain(Bytes attributes) {
    const Attrs<NFTA_CHAIN_MAX> attrs(attributes);
    const std::string name = attrs.string(NFTA_CHAIN_NAME);
    // A regular chain has no flag set; NFT_CHAIN_BINDING and hardware offload are never ours.
    const bool base = attrs.has(NFTA_CHAIN_HOOK);
    const std::uint32_t flags = attrs.u32(NFTA_CHAIN_FLAGS).value_or(0);
    Chain chain{.comment = udata_string(attrs.bytes(NFTA_CHAIN_USERDATA), Udata::chain_comment)};
    if (base) {
        chain.base = decode_base(table_.id.family, attrs);
    }
    if ((flags & ~std::uint32_t{NFT_CHAIN_BASE}) != 0 || base != chain.base.has_value()) {
        add_foreign("chain " + name + " of type '" + attrs.string(NFTA_CHAIN_TYPE) + "'");
        return;
    }
    table_.chains.insert_or_assign(name, std::move(chain));
}

void TableDecoder::feed_set(Bytes attributes) {
    const Attrs<NFTA_SET_MAX> attrs(attributes);
    const std::string name = attrs.string(NFTA_SET_NAME);
    std::optional<SetSpec> spec = decode_spec(attrs);
    if (!spec) {
        add_foreign("set " + name + " with flags " +
                    std::to_string(attrs.u32(NFTA_SET_FLAGS).value_or(0)) + " and key type " +
                    std::to_string(attrs.u32(NFTA_SET_KEY_TYPE).value_or(0)));
        return;
    }
    const bool map = (attrs.u32(NFTA_SET_FLAGS).value_or(0) & NFT_SET_MAP) != 0;
    sets_.insert_or_assign(name, Collected{.spec = *std::move(spec), .map = map});
}

void TableDecoder::feed_elements(Bytes attributes) {
    const Attrs<NFTA_SET_ELEM_LIST_MAX> attrs(attributes);
    const auto set = sets_.find(attrs.string(NFTA_SET_ELEM_LIST_SET));
    if (set == sets_.end()) {
        return;
    }
    AttrReader reader(attrs.bytes(NFTA_SET_ELEM_LIST_ELEMENTS));
    while (const std::optional<Attr> element = reader.next()) {
        if (!collect(set->second, element->value) && !set->second.foreign_elements) {
            set->second.foreign_elements = true;
            add_foreign("elements of " + set->first + " of another kind");
        }
    }
}

bool TableDecoder::collect(Collected& set, Bytes element) {
    const Attrs<NFTA_SET_ELEM_MAX> attrs(element);
    for (const unsigned type : {NFTA_SET_ELEM_TIMEOUT, NFTA_SET_ELEM_EXPIRATION, NFTA_SET_ELEM_EXPR,
                                NFTA_SET_ELEM_EXPRESSIONS, NFTA_SET_ELEM_OBJREF}) {
        if (attrs.has(type)) {
            return false;
        }
    }
    const std::uint32_t flags = attrs.u32(NFTA_SET_ELEM_FLAGS).value_or(0);
    const bool end = set.tree() && flags == NFT_SET_ELEM_INTERVAL_END;
    const Bytes first = Attrs<NFTA_DATA_MAX>(attrs.bytes(NFTA_SET_ELEM_KEY)).bytes(NFTA_DATA_VALUE);
    Bytes last = first;
    if (attrs.has(NFTA_SET_ELEM_KEY_END)) {
        last = Attrs<NFTA_DATA_MAX>(attrs.bytes(NFTA_SET_ELEM_KEY_END)).bytes(NFTA_DATA_VALUE);
    }
    if ((flags != 0 && !end) || first.size() != key_size(set.spec.key) ||
        last.size() != first.size() || (attrs.has(NFTA_SET_ELEM_KEY_END) && set.tree())) {
        return false;
    }
    std::string comment = udata_string(attrs.bytes(NFTA_SET_ELEM_USERDATA), Udata::element_comment);
    Verdict verdict;
    if (set.map && !end) {
        const Attrs<NFTA_DATA_MAX> data(attrs.bytes(NFTA_SET_ELEM_DATA));
        const std::optional<Verdict> decoded = decode_verdict(data.bytes(NFTA_DATA_VERDICT));
        if (!decoded) {
            return false;
        }
        verdict = *decoded;
    } else if (!comment.empty() || attrs.has(NFTA_SET_ELEM_DATA)) {
        return false;  // Elements of our sets have no comments.
    }
    if (set.tree()) {
        set.boundaries.push_back({Key(first), end, std::move(verdict), std::move(comment)});
    } else if (set.map) {
        set.entries.push_back({{Key(first), Key(last)}, std::move(verdict), std::move(comment)});
    } else {
        set.elements.push_back({Key(first), Key(last)});
    }
    return true;
}

void TableDecoder::feed_rule(Bytes attributes) {
    const Attrs<NFTA_RULE_MAX> attrs(attributes);
    const auto chain = table_.chains.find(attrs.string(NFTA_RULE_CHAIN));
    if (chain == table_.chains.end()) {
        return;  // Of a chain that is foreign as a whole.
    }
    chain->second.rules.push_back(
        {.statements = raise(table_.id.family, decode_exprs(attrs.bytes(NFTA_RULE_EXPRESSIONS))),
         .comment = udata_string(attrs.bytes(NFTA_RULE_USERDATA), Udata::rule_comment)});
}

void TableDecoder::feed_named(const char* kind, Bytes attributes) {
    static_assert(int{NFTA_OBJ_NAME} == int{NFTA_FLOWTABLE_NAME});
    add_foreign(std::string(kind) + " " + Attrs<NFTA_OBJ_NAME>(attributes).string(NFTA_OBJ_NAME));
}

void TableDecoder::add_foreign(const std::string& line) {
    table_.foreign.push_back(printable(line));
}

/// A tree is looked up by the nearest boundary at or below a key: a start is reached until the next
/// boundary of either kind, or until the last key. An end with nothing before it (nft puts one at 0
/// into a set that does not begin there) says nothing.
void TableDecoder::pair_boundaries(Collected& set) {
    // At one key the end of a range comes before the start of the next.
    std::ranges::sort(set.boundaries, [](const Boundary& a, const Boundary& b) {
        return a.key != b.key ? a.key < b.key : a.end && !b.end;
    });
    const Key highest = last_key(key_size(set.spec.key));
    for (std::size_t i = 0; i < set.boundaries.size(); ++i) {
        Boundary& start = set.boundaries[i];
        if (start.end) {
            continue;
        }
        Key last = highest;
        if (i + 1 < set.boundaries.size()) {
            const std::optional<Key> before = predecessor(set.boundaries[i + 1].key);
            if (!before || *before < start.key) {
                continue;  // Covered at once by the next: the same key twice, not the kernel's
                           // work.
            }
            last = *before;
        }
        if (set.map) {
            set.entries.push_back(
                {{start.key, last}, std::move(start.verdict), std::move(start.comment)});
        } else {
            set.elements.push_back({start.key, last});
        }
    }
}

Table TableDecoder::finish() && {
    for (auto& [name, set] : sets_) {
        if (set.tree()) {
            pair_boundaries(set);
        }
        // The kernel's hash tables may show an element twice while they are being resized.
        if (set.map) {
            sort_unique(set.entries, &MapEntry::key);
            table_.maps.emplace(
                name, Map{.spec = std::move(set.spec), .entries = std::move(set.entries)});
        } else {
            sort_unique(set.elements, std::identity{});
            table_.sets.emplace(
                name, Set{.spec = std::move(set.spec), .elements = std::move(set.elements)});
        }
    }
    std::ranges::sort(table_.foreign);
    return std::move(table_);
}

}  // namespace podfence::nft::wire
