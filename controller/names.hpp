#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace podfence {

/// Hashes a sequence of fields, each preceded by its length, so that ("a-b", "c") and ("a", "b-c")
/// never meet. Tenants choose the names that go in: the hash must be one that they cannot collide.
class NameHash {
  public:
    NameHash& add(std::string_view field);
    NameHash& add(std::uint64_t number);
    /// 80 bits of SHA-256 in 16 characters of base32 (a-z, 2-7).
    std::string text() const;

  private:
    std::string fields_;
};

/// "kind-hash-readable", only characters nft takes unquoted, far below nft's limit of 255 bytes.
std::string make_name(std::string_view kind, const NameHash& hash, std::string_view readable);

/// The texts joined by ", ", as many as fit into a comment of nft; "+3 more" tells of the rest.
std::string make_comment(const std::vector<std::string>& texts);

}  // namespace podfence
