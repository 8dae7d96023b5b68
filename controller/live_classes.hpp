#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "controller/live_sets.hpp"
#include "controller/policy_class.hpp"
#include "controller/tracked.hpp"

namespace podfence {

/// A policy class that local pods are in, and what it was compiled to.
struct LiveClass {
    const PolicyClass* definition = nullptr;
    std::string chain{};  ///< Where the dispatch leads.
    std::size_t pods = 0;
    bool stale = false;
    // The parts of the table that it uses.
    std::vector<std::string> chains{};
    std::vector<std::string> maps{};
    std::vector<std::string> constant_sets{};
    std::vector<LiveSet*> live_sets{};
    std::vector<std::size_t> indexed_by{};  ///< Managed by LiveClasses.
};

/// The chains, maps and sets of all classes in use. Each class is compiled for itself, when it is
/// new or something it was compiled from changed; what classes share is counted by name.
class LiveClasses {
  public:
    LiveClasses(const Cluster& cluster, bool counters) : sets_(cluster), counters_(counters) {}

    LiveIndex& pods() { return sets_.pods(); }

    /// The class for one more pod. The policies must stay where they are until `settle`; after that
    /// only those of classes that pods are in.
    LiveClass& join(PolicyClass definition);
    void leave(LiveClass& policy_class);
    /// The policy means something else now.
    void policy_changed(const NetworkPolicy& policy);

    /// Compiles what is stale and drops what is not used.
    void settle();
    void write(nft::Table& table) const;
    nft::TableCounts counts() const;
    void tell(Difference& difference);
    /// The classes that use this chain, map or set.
    std::vector<const LiveClass*> classes_behind(const std::string& object) const;
    /// Their policies.
    std::set<ObjectName> policies_behind(const std::string& object) const;

  private:
    void mark(LiveClass& policy_class);
    void compile(LiveClass& policy_class);
    void release_parts(const LiveClass& policy_class);
    void index_by_parts(LiveClass& policy_class);
    void unindex(const LiveClass& policy_class);

    LiveSets sets_;
    bool counters_;
    std::map<PolicyClass, LiveClass> classes_;
    std::vector<LiveClass*> stale_;
    /// By the hash of the name of a part: asked for every set that a commit takes from.
    std::unordered_multimap<std::size_t, LiveClass*> users_;
    SharedParts<nft::Chain> chains_;
    SharedParts<nft::Map> maps_;
    SharedParts<nft::Set> constant_sets_;
};

}  // namespace podfence
