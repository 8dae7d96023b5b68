#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cmd/exit.hpp"
#include "cmd/terminal.hpp"
#include "nft/addr.hpp"
#include "nft/kernel.hpp"

namespace podfence::cmd {

/// nf_tables of this network namespace; on failure what to do is on stderr.
Outcome<std::unique_ptr<nft::Kernel>> open_kernel(Terminal& terminal);

/// What the kernel holds of our table; nullopt inside: no such table.
Outcome<std::optional<nft::Table>> dump_live(Terminal& terminal, nft::Kernel& kernel,
                                             const nft::TableId& id);

/// Says what the kernel refused and what to do about it.
Exit report(Terminal& terminal, const nft::Error& error);

/// The addresses of this network namespace's interfaces.
std::vector<nft::Address> interface_addresses();

/// Traffic between pods on one bridge passes the hooks only with br_netfilter. One warning with
/// the command that mends it for each thing amiss; none when this network namespace has no bridge.
std::vector<std::string> bridge_warnings();

}  // namespace podfence::cmd
