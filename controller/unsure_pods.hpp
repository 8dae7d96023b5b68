#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "controller/source.hpp"

/// Pods that are marked as kUnknown: policies may mean them that do not select them as they were
/// read. A policy of our own isolates them in their namespace, so that nothing is open to them but
/// what policies allow that do select them.
namespace podfence {

bool is_unknown(const Pod& pod);

/// Selects them and allows nothing. It is called kUnsureLabel, which no other policy can be.
NetworkPolicy stand_in_policy(const std::string& ns, SourcePos pos);
bool is_stand_in(const ObjectName& policy);

/// In front of a sink: adds the policy for as long as its namespace has such pods. The policy is
/// there before the first of them, and goes after the last.
class UnsurePods final : public Sink {
  public:
    /// Not owned.
    explicit UnsurePods(Sink& sink) : sink_(sink) {}

    void put(Object object, std::vector<Problem> problems) override;
    void remove(Kind kind, const ObjectName& name) override;
    void listed(Kind kind) override { sink_.listed(kind); }
    void trouble(Kind kind, const Trouble& trouble) override { sink_.trouble(kind, trouble); }
    void recovered(Kind kind) override { sink_.recovered(kind); }
    void problems(std::vector<Problem> all) override { sink_.problems(std::move(all)); }

  private:
    void forget(const ObjectName& pod);

    Sink& sink_;
    std::map<std::string, std::set<std::string>> pods_{};  ///< Names, by namespace.
};

}  // namespace podfence
