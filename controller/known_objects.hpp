#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/fingerprint.hpp"
#include "controller/objects.hpp"

namespace podfence {

/// What a reflector has told of one kind: names and fingerprints, so that a list can be turned into
/// the difference. An open hash table: at 10,000 pods it takes about 80 bytes each, of which the
/// names are most.
class KnownObjects {
  public:
    explicit KnownObjects(const HashKey& key) : key_(key) {}

    /// From here on what note() does not see is gone; see sweep(). May begin anew at any time.
    void begin_list() { ++round_; }
    /// True when the object is new or another than before.
    bool note(const ObjectName& name, std::uint64_t fingerprint);
    /// False when it was not known.
    bool forget(const ObjectName& name);
    /// Those not seen since begin_list(), which are forgotten.
    std::vector<ObjectName> sweep();
    std::size_t size() const { return size_; }

  private:
    struct Slot {
        std::unique_ptr<char[]> text{};  ///< Namespace and name without a separator; null: free.
        std::uint64_t fingerprint = 0;
        std::uint32_t hash = 0;
        std::uint32_t round = 0;
        std::uint16_t ns_size = 0;
        std::uint16_t name_size = 0;

        std::string_view ns() const { return {text.get(), ns_size}; }
        std::string_view name() const { return {text.get() + ns_size, name_size}; }
        void rename(const ObjectName& name);
    };

    std::uint32_t hash_of(const ObjectName& name) const;
    /// The object's slot, or the free one where it belongs.
    std::size_t find(const ObjectName& name, std::uint32_t hash) const;
    std::size_t next(std::size_t i) const { return (i + 1) & (slots_.size() - 1); }
    void erase(std::size_t i);
    void resize(std::size_t slots);

    HashKey key_;
    std::vector<Slot> slots_{};  ///< A power of two, never full; or none.
    std::size_t size_ = 0;
    std::uint32_t round_ = 0;
};

}  // namespace podfence
