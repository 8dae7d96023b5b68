#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "controller/cluster.hpp"
#include "controller/open_table.hpp"
#include "controller/peer_union.hpp"

namespace podfence {

class LiveSet;
struct Selection;

/// What policies can see of a pod besides its address.
struct Traits {
    std::string ns{};
    Shared<Labels> labels{};
    std::vector<ContainerPort> ports{};  ///< Those with a name.
    friend bool operator==(const Traits&, const Traits&) = default;
};

/// All pods with the same traits, as replicas are: selectors are matched against these.
struct Identity {
    const Traits* traits = nullptr;
    std::vector<Address> members{};        ///< Held by these pods, in no order.
    std::vector<Selection*> selections{};  ///< That choose it; sorted.
};

/// A selector that somebody asks for, and whom it chooses now.
struct Selection {
    BoundPeer peer{};
    const Requirement* filed_under = nullptr;  ///< Of the peer; nullptr: under its namespaces.
    std::size_t users = 0;
    std::vector<Identity*> identities{};  ///< Sorted.
    std::vector<LiveSet*> sets{};         ///< To be kept up to date; managed by LiveSets.
};

/// Who holds an address, and the selections that choose it. No identity: no pod holds it.
struct Side {
    const Identity* identity = nullptr;
    std::span<Selection* const> selections{};
};

/// Selectors against identities, both ways, kept up to date event by event. Only selectors that
/// were asked for are known; each is filed where the fewest identities meet it. Work is in
/// proportion to what changes: the selections of one identity, the identities of one namespace.
class LiveIndex {
  public:
    class Listener {
      public:
        Listener() = default;
        Listener(const Listener&) = delete;
        Listener& operator=(const Listener&) = delete;
        Listener(Listener&&) = delete;
        Listener& operator=(Listener&&) = delete;
        virtual ~Listener() = default;
        /// An address passed from one side to another; what both have in common did not change.
        virtual void changed(const Address& address, const Side& before, const Side& after) = 0;
    };

    /// Both must outlive the index. The cluster is asked about namespaces only.
    LiveIndex(const Cluster& cluster, Listener& listener)
        : cluster_(cluster), listener_(listener) {}

    /// This address is held by this pod from now on; nullptr: by none.
    void hold(const Address& address, const Pod* pod);
    /// The namespace's labels are others, or are known, or not known any more (N29).
    void namespace_changed(const std::string& name);

    /// The selection of a peer, which stays until it is released as often as it was asked for. Of a
    /// peer without any selector (no policy's, N16) it is every pod, whatever is known of it.
    Selection& select(const BoundPeer& peer);
    void release(Selection& selection);

  private:
    struct Scope;
    /// A namespace that has pods or own selections.
    struct Space {
        std::vector<Identity*> identities{};
        std::vector<Scope*> scopes{};   ///< That cover it; sorted.
        std::vector<Selection*> own{};  ///< Of peers without a namespace selector.
    };
    using Spaces = std::map<std::string, Space, std::less<>>;
    /// A namespace selector, and the selections that have it.
    struct Scope {
        std::vector<Spaces::value_type*> spaces{};
        std::vector<Selection*> all{};
        std::vector<Selection*> broad{};  ///< Those not filed under a pod's label.
    };
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(const Traits& traits) const;
        std::size_t operator()(const Pod& pod) const;
    };
    struct Equal {
        using is_transparent = void;
        bool operator()(const Traits& a, const Traits& b) const { return a == b; }
        bool operator()(const Pod& pod, const Traits& traits) const;
        bool operator()(const Traits& traits, const Pod& pod) const { return (*this)(pod, traits); }
    };
    /// Who holds an address: it is this member of this identity.
    struct Place {
        Identity* identity = nullptr;
        std::uint32_t hash = 0;
        std::uint32_t position = 0;

        bool used() const { return identity != nullptr; }
    };

    Identity& identity_of(const Pod& pod);
    void choose_for(Identity& identity, Space& space);
    void choose_all(Selection& selection);
    Place* place_of(const Address& address);
    void remove_member(const Place& place);
    void drop_if_empty(const Identity& identity);
    void drop_if_empty(Spaces::iterator space);

    Spaces::iterator space_of(const std::string& name);
    Scope& scope_of(const LabelSelector& selector);
    void file(Selection& selection, Scope& scope);
    void unfile(Selection& selection, Scope& scope);
    /// The requirement on a pod's label under whose values the fewest selections are filed yet.
    const Requirement* best_requirement(const BoundPeer& peer) const;

    const Cluster& cluster_;
    Listener& listener_;
    std::unordered_map<Traits, Identity, Hash, Equal> identities_;
    OpenTable<Place> holders_;
    Spaces spaces_;
    std::map<LabelSelector, Scope> scopes_;
    std::map<BoundPeer, Selection> selections_;
    Selection* everyone_ = nullptr;  ///< Of the peer without selectors.
    /// Selections with a namespace selector, by a label that they require of a pod.
    std::map<std::pair<std::string, std::string>, std::vector<Selection*>> filed_;
};

}  // namespace podfence
