#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "controller/node.hpp"
#include "nft/addr.hpp"

namespace podfence {

/// A secret that makes hashes unforeseeable: tenants choose much of what is hashed.
using HashKey = std::array<std::uint64_t, 2>;

/// SipHash-1-3 (Aumasson, Bernstein 2012) over 64-bit words. Texts are preceded by their length.
class KeyedHash {
  public:
    explicit KeyedHash(const HashKey& key);
    KeyedHash& add(std::uint64_t word);
    KeyedHash& add(std::string_view text);
    std::uint64_t value() const;  ///< Of what was added so far.

  private:
    void round();

    std::array<std::uint64_t, 4> v_{};
};

/// For a table of this process (controller/open_table.hpp), under a secret of its own: pods'
/// addresses are what any node's kubelet says they are.
std::uint32_t hash_of(const nft::Address& address);

/// Of all that is left of an object in its tree, but for what changes without meaning anything to
/// policy: the version, and annotations but for kExtraAddresses. Equal objects from a list and from
/// a watch are equal here.
std::uint64_t fingerprint(const Node& object, const HashKey& key);

}  // namespace podfence
