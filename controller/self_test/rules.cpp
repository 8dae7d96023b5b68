#include "controller/self_test/rules.hpp"

#include <string>
#include <utility>

#include "controller/node_frame.hpp"
#include "controller/policy_class.hpp"
#include "controller/self_test/cluster.hpp"
#include "nft/conntrack_netlink.hpp"
#include "nft/converge.hpp"
#include "nft/rule_counters.hpp"

namespace podfence::self_test {

namespace {

const nft::TableId kTableId{.family = nft::TableFamily::inet, .name = kTable};

/// Not the agent's own bit: it takes that away again from connections that it finds allowed.
std::uint8_t other_bit(std::uint8_t agents) {
    constexpr std::uint8_t kNext = kConnmarkBitMax - 1;
    return agents == kConnmarkBitMax ? kNext : kConnmarkBitMax;
}

}  // namespace

nft::Result<Rules> Rules::load(nft::Kernel& kernel, const PodAddresses& addresses,
                               const CompileOptions& options) {
    CompileOptions compile = options;
    compile.node = kNode;
    compile.table = kTableId;
    compile.counters = true;
    // Whoever else answers is told from ours by that ours are silent.
    compile.deny_with = DenyWith::drop;
    compile.log_group.reset();
    if (options.connmark_bit) compile.connmark_bit = other_bit(*options.connmark_bit);
    auto conntrack = nft::NetlinkConntrack::open();
    if (!conntrack) return conntrack.error();
    Rules rules(kernel, *std::move(conntrack), compile.revoked_mark());
    auto converged = nft::converge(kernel, compile_all(make_cluster(addresses), compile).table);
    if (!converged) return converged.error();
    return rules;
}

Rules::Rules(nft::Kernel& kernel, std::unique_ptr<nft::Conntrack> conntrack, std::uint32_t mark)
    : kernel_(&kernel), conntrack_(std::move(conntrack)), mark_(mark) {}

Rules::Rules(Rules&& other) noexcept
    : kernel_(std::exchange(other.kernel_, nullptr)),
      conntrack_(std::move(other.conntrack_)),
      mark_(other.mark_) {}

Rules::~Rules() {
    if (kernel_ != nullptr) static_cast<void>(clear_leftovers(*kernel_));
}

nft::Result<std::uint64_t> Rules::denied() const {
    const auto counted = nft::read_rule_counters(kTableId);
    if (!counted) return counted.error();
    std::uint64_t packets = 0;
    for (const std::string& name :
         {ClassCompiler::deny_chain(Direction::egress),
          ClassCompiler::deny_chain(Direction::ingress), std::string(kRevokedChain)}) {
        const auto chain = counted->find(name);
        if (chain != counted->end()) packets += chain->second.packets;
    }
    return packets;
}

nft::Result<bool> Rules::cut(const nft::Tuple& original) const {
    if (mark_ == 0) return false;
    const auto connection = conntrack_->find(original, 0);
    if (!connection) return connection.error();
    if (!*connection) return false;
    const auto marked = conntrack_->set_mark(std::span(&**connection, 1), mark_, mark_);
    if (!marked) return marked.error();
    return *marked == 1;
}

nft::Result<void> Rules::clear_leftovers(nft::Kernel& kernel) {
    if (auto removed = nft::remove(kernel, kTableId); !removed) return removed.error();
    return {};
}

}  // namespace podfence::self_test
