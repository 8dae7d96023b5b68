#pragma once

#include <optional>
#include <string>

#include "controller/live_set.hpp"
#include "controller/node_frame.hpp"
#include "controller/tracked.hpp"
#include "nft/table_counts.hpp"

namespace podfence {

/// The frame of the node's table and the isolated addresses in it.
class LiveDispatch {
  public:
    explicit LiveDispatch(const CompileOptions& options);

    /// The pod that holds the address is isolated: by direction, the chain that judges it; empty:
    /// not in this direction.
    void put(const Address& address, const ObjectName& pod,
             const PerDirection<std::string>& chains);
    void erase(const Address& address);
    /// Whether a pod holds the address, which is one of CompileOptions::held_ranges.
    void know(const Address& address, bool known);
    /// The options have become others; before anything is told.
    void reframe();

    void write(nft::Table& table) const;
    /// The same without classes: every isolated pod goes straight to the end that denies.
    void write_closed(nft::Table& table) const;
    nft::TableCounts counts() const;
    void tell(Difference& difference);

  private:
    FrameCounts frame_counts() const;

    const CompileOptions& options_;
    nft::TableCounts frame_;  ///< Of the frame alone, however many pods are isolated.
    PerDirection<PerFamily<Tracked<Address, nft::MapEntry>>> entries_;
    PerFamily<Tracked<Address, nft::Element>> hairpins_;
    PerFamily<Tracked<Address, nft::Element>> known_;
    std::optional<FrameCounts> told_;  ///< None: never.
};

}  // namespace podfence
