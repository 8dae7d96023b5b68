#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/link_facts.hpp"

/// Which interface of the node is which pod's: the proof of who speaks, where addresses only claim.
///
/// What is believed, best first:
///   told     the CNI plugin that made the interface says whose it is
///   route    a host route leads to it: only the node's own network plugin writes those
///   peer     the other end, in the pod's namespace, has the pod's address (asked of the kernel)
///   learned  the pod's address answers by a MAC address that was seen at that port of a bridge
///
/// A pod without privileges cannot forge the first three; one with NET_ADMIN can forge the third,
/// and any can forge the last. So an interface belongs to one pod, and only the addresses that the
/// API (or the plugin) says are that pod's are ever bound to it: nobody gains an address by
/// claiming it. What was once bound by a claim stays bound while that interface, its pod and the
/// pod's address last; only a plugin or a route overrules it. Of several new claims the newest
/// interface has it: of a pod that was made anew within milliseconds the old interface may be
/// there still.
namespace podfence {

/// Asks what rtnetlink tells nobody: the other ends of interfaces.
class PeerLook {
  public:
    PeerLook() = default;
    PeerLook(const PeerLook&) = delete;
    PeerLook& operator=(const PeerLook&) = delete;
    virtual ~PeerLook() = default;

    /// The addresses of the other end of a link that has peer_netns; none when it cannot be seen.
    virtual std::vector<Address> addresses_behind(const Link& link) = 0;
};

enum class Evidence : std::uint8_t { told, route, peer, learned };
std::string_view to_string(Evidence evidence);  ///< "cni", "route", "peer", "learned"

/// An interface and whose it is.
struct PodLink {
    LinkIndex index = 0;
    std::string name{};  ///< Of the interface, at the moment.
    ObjectName pod{};
    Evidence evidence = Evidence::route;
    std::vector<Address> addresses{};  ///< All of the pod's, sorted.
    std::vector<Prefix> extra{};       ///< What it may use besides, sorted.
    friend bool operator==(const PodLink&, const PodLink&) = default;
};

/// A pod on the pod network of which not every packet can be held against its interface.
struct UnboundPod {
    enum class Reason : std::uint8_t {
        no_interface,  ///< None was found: macvlan, ipvlan, SR-IOV and the like pass no hook here.
        other_kind,    ///< It is reached by an interface that is not one pod's end of a cable.
        shared,        ///< One interface leads to several pods.
    };
    ObjectName pod{};
    Reason reason = Reason::no_interface;
    std::string interface {};  ///< May be empty.
    friend bool operator==(const UnboundPod&, const UnboundPod&) = default;
};
std::string_view to_string(UnboundPod::Reason reason);  ///< "no-interface", ...
std::string explanation(const UnboundPod& pod);         ///< For a person.

/// Whether what comes in by the interface comes from one machine. Routes lead to others too: a
/// host's own macvlan, a tunnel, a network card; of what comes in there, much is not the pod's.
bool is_one_pods(const Link& link);

/// A state machine without I/O, but for what it asks through PeerLook: it is told of pods and of
/// facts, and settle() says whose interfaces are others now.
class PodLinks {
  public:
    /// A pod of this node that holds these addresses now; replaces what was known of it. None: it
    /// has no part in this (finished, on the node's network, without addresses yet).
    /// `extra`: what it may use besides, which tells nothing about where it is.
    void set_pod(const ObjectName& pod, std::vector<Address> addresses,
                 std::vector<Prefix> extra = {});
    /// The CNI plugin has made this interface, for the pod that has these addresses. Holds until
    /// the interface is gone or untold(); who was told last has an address.
    void told(LinkIndex link, std::vector<Address> addresses);
    void untold(LinkIndex link);

    /// What a previous run had bound, by its table in the kernel: as good as bound by us, so that
    /// a restart is no occasion for claims.
    void remember(LinkIndex link, const Address& address) { before_[address] = link; }

    void apply(const LinkEvent& event) { facts_.apply(event, touched_); }
    /// After a dump, which is the whole truth.
    void replace(LinkFacts facts);

    /// Works off what happened since the last call; gives the links whose PodLink came, went or
    /// changed.
    std::set<LinkIndex> settle(PeerLook& look);

    const std::map<LinkIndex, PodLink>& links() const { return bound_; }
    const LinkFacts& facts() const { return facts_; }
    /// The interfaces of a pod.
    std::vector<PodLink> links_of(const ObjectName& pod) const;
    /// As of the last settle(), by pod.
    std::vector<UnboundPod> unbound() const;

  private:
    struct KnownPod {
        std::vector<Address> addresses{};  ///< Sorted.
        std::vector<Prefix> extra{};       ///< By the API.
        std::set<LinkIndex> claims{};      ///< By a plugin or a route: nobody can have forged them.
        std::set<LinkIndex> links{};       ///< What it was given.
        std::vector<Address> bound_by{};   ///< Its addresses when it was given them.
        LinkIndex unsuitable = 0;          ///< A link that leads to it and is no pod's end.
    };
    using Pods = std::map<ObjectName, KnownPod>;

    void touch_facts();
    void touch_pods_with(const std::vector<Address>& addresses);
    std::optional<LinkIndex> told_link(const Address& address) const;
    void touch_holder(LinkIndex link);
    void claim(const ObjectName& name, KnownPod& pod);
    void bind(const ObjectName& name, KnownPod& pod);
    std::optional<LinkIndex> keep_or_guess(const ObjectName& name, const KnownPod& pod);
    bool is_free(const ObjectName& name, LinkIndex link) const;
    std::optional<LinkIndex> newest_free(const ObjectName& name,
                                         const std::set<LinkIndex>& links) const;
    bool answers_for_others(LinkIndex link, const ObjectName& name) const;
    void grant(const ObjectName& name, KnownPod& pod, const std::map<LinkIndex, Evidence>& links);
    void ask(PeerLook& look, const std::set<ObjectName>& loose);
    std::set<ObjectName> loose_pods() const;

    LinkFacts facts_;
    LinkFacts::Touched touched_;
    Pods pods_;
    std::map<Address, std::set<ObjectName>> by_address_;
    std::map<LinkIndex, std::vector<Address>> told_;
    std::map<Address, std::vector<LinkIndex>>
        told_of_;  ///< As they were told, the last at the end.
    std::set<ObjectName> dirty_;
    std::map<LinkIndex, std::set<ObjectName>> claimed_;
    std::map<LinkIndex, std::vector<Address>> answers_;  ///< Of the other ends.
    std::set<LinkIndex> unasked_;                        ///< Links that changed since.
    bool ask_all_ = false;  ///< A pod has come whose address nobody was asked for yet.
    std::map<Address, LinkIndex> before_;  ///< By a previous run.
    std::map<LinkIndex, PodLink> bound_;
    std::set<LinkIndex> changed_;
};

}  // namespace podfence
