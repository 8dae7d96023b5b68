#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/fingerprint.hpp"
#include "controller/objects.hpp"
#include "controller/open_table.hpp"

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
    std::size_t size() const { return slots_.size(); }

  private:
    struct Slot {
        std::unique_ptr<char[]> text{};  ///< Namespace and name without a separator; null: free.
        std::uint64_t fingerprint = 0;
        std::uint32_t hash = 0;
        std::uint32_t round = 0;
        std::uint16_t ns_size = 0;
        std::uint16_t name_size = 0;

        bool used() const { return text != nullptr; }
        std::string_view ns() const { return {text.get(), ns_size}; }
        std::string_view name() const { return {text.get() + ns_size, name_size}; }
        void rename(const ObjectName& name);
    };

    std::uint32_t hash_of(const ObjectName& name) const;
    Slot* find(const ObjectName& name, std::uint32_t hash);

    HashKey key_;
    OpenTable<Slot> slots_{};
    std::uint32_t round_ = 0;
};

}  // namespace podfence
