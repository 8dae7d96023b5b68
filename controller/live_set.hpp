#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/container/small_vector.hpp>

#include "controller/families.hpp"
#include "controller/live_index.hpp"
#include "controller/sets.hpp"
#include "nft/ranges.hpp"

namespace podfence {

/// A table as it was and as it is, but for what is the same in both.
struct Difference {
    nft::Table before{};
    nft::Table now{};
};

/// An address, and where the set asks for it a port of the pod that holds it. In the order of the
/// set's elements.
struct LiveEntry {
    Address address{};
    std::uint8_t protocol = 0;  ///< IANA number; 0: the set has no ports.
    std::uint16_t port = 0;
    friend auto operator<=>(const LiveEntry&, const LiveEntry&) = default;
};

/// Whom a set wants.
struct LiveTarget {
    Selection* selection = nullptr;
    std::optional<nft::RangeSet> inside{};  ///< Only addresses in these (N46).
    std::string port{};                     ///< The pod's port of this name; empty: just the pod.
    Protocol protocol = Protocol::tcp;
};

/// What makes two sets the same.
struct LiveDefinition {
    enum class Kind : std::uint8_t {
        pods,    ///< Addresses of all that `peers` choose.
        named,   ///< Ports of pods, by `targets`.
        watched  ///< As `pods`, but no set of the kernel's: somebody must know of its changes.
    };
    Kind kind = Kind::pods;
    std::vector<BoundPeer> peers{};
    std::vector<NamedTarget> targets{};
    friend auto operator<=>(const LiveDefinition&, const LiveDefinition&) = default;
};

/// The members of one definition, both families, and what became of them since the kernel was last
/// told. It does not store its elements: an address is in it exactly when the identity that holds
/// the address is chosen, so they are read off the index when all of them are wanted.
class LiveSet {
  public:
    /// To be called first, once. The definition is not copied. Subscribes to the targets'
    /// selections; they are released by whoever asked for them.
    void start(const LiveDefinition& definition, std::vector<LiveTarget> targets);

    const LiveDefinition& definition() const { return *definition_; }
    const std::vector<LiveTarget>& targets() const { return targets_; }

    enum class Effect : std::uint8_t { none, elements, capacity };
    /// An address passed from one side to another, at least one of which it may choose. `capacity`:
    /// the set's name is another now, too.
    Effect changed(const Address& address, const Side& before, const Side& after);

    std::string name(nft::Family family) const { return form_.name(family, count_[index(family)]); }
    /// Elements of both families.
    std::size_t size() const;
    /// All addresses, of a set without ports.
    std::vector<nft::Range> ranges() const;
    void write(nft::Table& table) const;
    /// Adds what changed since it was told last; `wanted`: whether there is to be a set at all.
    void tell(bool wanted, Difference& difference);

    // Managed by LiveSets.
    std::size_t users = 0;
    bool stale = false;    ///< What its users were compiled with is not so any more.
    bool touched = false;  ///< There may be something to tell.

  private:
    using Entries = boost::container::small_vector<LiveEntry, 4>;

    Entries entries_of(const Address& address, const Side& side) const;
    std::vector<LiveEntry> entries() const;
    std::vector<nft::Element> elements(nft::Family family) const;
    nft::Element element(const LiveEntry& entry) const;
    void toggle(const LiveEntry& entry, bool now);

    const LiveDefinition* definition_ = nullptr;
    SetForm form_;
    std::vector<LiveTarget> targets_;  ///< By selection.
    PerFamily<std::size_t> count_{};
    /// How many there were when it was told last, which names the sets of then; none: never.
    std::optional<PerFamily<std::size_t>> told_{};
    /// What changed since; whether it is an element now.
    std::map<LiveEntry, bool> toggled_;
};

}  // namespace podfence
