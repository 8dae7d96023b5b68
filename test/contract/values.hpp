#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nft/ranges.hpp"
#include "nft/ruleset.hpp"

/// Short ways to write values of the ruleset in tests.
namespace podfence::test {

inline nft::Key key(const nft::Address& address) {
    return nft::Key{}.append({address.bytes().data(), address.size()}, false);
}
inline nft::Key key4(std::uint32_t address) {
    return key(nft::Address::v4(address));
}
inline nft::Element one(std::uint32_t address) {
    return {key4(address), key4(address)};
}
inline nft::Element range(std::uint32_t first, std::uint32_t last) {
    return {key4(first), key4(last)};
}
inline nft::Element range(const nft::Prefix& prefix) {
    return {key(prefix.first()), key(prefix.last())};
}
inline nft::Element prefix(const std::string& text) {
    return range(nft::Prefix::parse(text).value());
}
inline nft::Element address(const std::string& text) {
    const nft::Key k = key(nft::Address::parse(text).value());
    return {k, k};
}

inline nft::SetSpec hash4(std::uint32_t size = 0) {
    return {.key = {nft::FieldType::ipv4_addr}, .size = size};
}
inline nft::SetSpec tree4() {
    return {.key = {nft::FieldType::ipv4_addr}, .interval = true};
}
inline nft::SetSpec ports() {
    return {.key = {nft::FieldType::inet_proto, nft::FieldType::inet_service}, .interval = true};
}
inline nft::Element port_range(std::uint8_t protocol, std::uint16_t first, std::uint16_t last) {
    const std::vector<nft::FieldType> types = ports().key;
    const std::vector<nft::FieldValue> from{protocol, first};
    const std::vector<nft::FieldValue> to{protocol, last};
    return {nft::make_key(types, from), nft::make_key(types, to)};
}

inline nft::Verdict go_to(const std::string& chain) {
    return {.kind = nft::VerdictKind::go_to, .chain = chain};
}

/// A table with two chains, a verdict map to them and a set, hooked into forward.
inline nft::Table small_table(const nft::TableId& id = {}) {
    using namespace nft;
    Table table{.id = id};
    table.sets["pods"] = {.spec = hash4(16), .elements = {one(0x0a000001), one(0x0a000002)}};
    table.maps["dispatch"] = {
        .spec = hash4(),
        .entries = {{.key = one(0x0a000005), .verdict = go_to("class"), .comment = "ns/pod"}}};
    table.chains["class"] = {
        .rules = {
            {.statements = {MatchSet{{Field::ip_saddr}, "pods"}, Verdict{}}, .comment = "peers"},
            {.statements = {Verdict{.kind = VerdictKind::jump, .chain = "deny"}}}}};
    table.chains["deny"] = {.comment = "what nothing allows",
                            .rules = {{.statements = {Counter{}, Verdict{VerdictKind::drop}}}}};
    table.chains["forward-in"] = {
        .base = BaseChain{.hook = Hook::forward, .priority = -10},
        .rules = {{.statements = {MatchCtState{ct_established | ct_related}, Verdict{}}},
                  {.statements = {LookupVerdict{{Field::ip_daddr}, "dispatch"}}}}};
    return table;
}

}  // namespace podfence::test
