#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>

#include "controller/desired.hpp"
#include "nft/fake_kernel.hpp"
#include "test/support/generator.hpp"

namespace podfence::test {

void apply(Desired& desired, const Event& event);

/// A Desired with everything that must agree with it: a cluster that had the same events, the table
/// that is compiled from it at once, and a kernel to which nothing but its changes was committed.
class DesiredWatch {
  public:
    explicit DesiredWatch(CompileOptions options) : options_(options), desired_(options) {}

    void apply(const Event& event);
    void refuse(const ObjectName& policy);

    /// Looks at the table, without taking the changes. What is wrong; nullopt: nothing.
    std::optional<std::string> check_table();
    /// Takes the changes, which must be the least that lead to the new table, commits them in
    /// stages, and looks at what the kernel holds.
    std::optional<std::string> check_changes();

    const Cluster& cluster() const { return cluster_; }
    Desired& desired() { return desired_; }
    std::size_t ops() const { return ops_; }  ///< All that were taken.
    /// The table when changes were taken last.
    const std::optional<nft::Table>& taken() const { return taken_; }
    const nft::Batch& last() const { return last_; }  ///< What was taken last.

  private:
    nft::Table expected() const;

    CompileOptions options_;
    Desired desired_;
    Cluster cluster_;
    std::set<ObjectName> refused_;
    nft::FakeKernel kernel_;
    std::optional<nft::Table> taken_;
    nft::Batch last_;
    std::size_t ops_ = 0;
};

/// Checks everything, takes the changes and gives them as nft's commands, one a line. For use
/// inside a Catch2 test case.
std::string changes(DesiredWatch& watch);

}  // namespace podfence::test
