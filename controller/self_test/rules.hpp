#pragma once

#include <cstdint>
#include <memory>

#include "controller/compile.hpp"
#include "controller/self_test/flows.hpp"
#include "nft/conntrack.hpp"
#include "nft/kernel.hpp"

namespace podfence::self_test {

/// The self-test's own table: the hooks, priorities and compiler are those of the real one, so that
/// what passes by one passes by the other, and nobody's rules are touched.
inline constexpr const char* kTable = "podfence-canary";

/// That table in the kernel, gone with the object.
class Rules {
  public:
    /// What the policies ask for between pods with these addresses. `options`: the agent's; node,
    /// table, counters, logging, answers and the connmark bit (if there is one) are replaced. The
    /// kernel is not owned. Errors: the kernel's.
    static nft::Result<Rules> load(nft::Kernel& kernel, const PodAddresses& addresses,
                                   const CompileOptions& options);
    Rules(Rules&& other) noexcept;
    Rules& operator=(Rules&&) = delete;
    ~Rules();

    /// Packets denied so far, whoever of the two pods' rules it was, and those of connections that
    /// were cut. Errors: of nft::read_rule_counters.
    nft::Result<std::uint64_t> denied() const;

    /// Marks an open connection, as the agent marks one that policies stop allowing. false:
    /// conntrack knows of none. Errors: of nft::Conntrack.
    nft::Result<bool> cut(const nft::Tuple& original) const;

    /// Removes what a killed run before left. Errors: the kernel's.
    static nft::Result<void> clear_leftovers(nft::Kernel& kernel);

  private:
    Rules(nft::Kernel& kernel, std::unique_ptr<nft::Conntrack> conntrack, std::uint32_t mark);

    nft::Kernel* kernel_;
    std::unique_ptr<nft::Conntrack> conntrack_;
    std::uint32_t mark_;  ///< 0: nothing is cut.
};

}  // namespace podfence::self_test
