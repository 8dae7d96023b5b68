#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>

#include "nft/batch.hpp"
#include "nft/ruleset.hpp"

namespace podfence::test {

/// Packets that have entered a hook of a table and may be held up there for as long as they like,
/// unless somebody has waited for them: what one of them may be on its way to must stay.
class UnderWay {
  public:
    /// The table as somebody else than the agent left it; nobody is held to anything about before.
    void forget(const nft::Table* table);
    /// A number for await_done(): who begins to wait now waits for the packets until now.
    std::size_t now() const { return commits_; }
    /// They have all left.
    void await_done(std::size_t began) { awaited_ = began; }
    /// A batch took effect. Empty, or what was taken from under packets before: not by the commit
    /// right before one that makes something of such a name, which may not be kept waiting.
    std::string committed(const nft::Batch& batch, const nft::Table& table);
    /// Whoever made way may have been kept from what it was for.
    void excuse() { hurried_.clear(); }

  private:
    bool in_the_way(const std::string& name) const;

    std::size_t commits_ = 0;
    std::size_t awaited_ = 0;  ///< No packet is from before this commit.
    std::set<std::string> reached_{};
    /// What packets were led to once and are no longer, by the commit that ended it.
    std::map<std::string, std::size_t> left_{};
    /// Emptied while packets may have been on their way to it; right where it stays.
    std::set<std::string> emptied_{};
    std::set<std::string> hurried_{};  ///< Taken by the last commit.
};

/// The chains, sets and maps that a packet can come to from the table's hooks.
std::set<std::string> reached(const nft::Table& table);

}  // namespace podfence::test
