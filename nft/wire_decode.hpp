#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "nft/kernel.hpp"
#include "nft/ruleset.hpp"
#include "nft/wire_attr.hpp"

namespace podfence::nft::wire {

/// Builds the value of one table from the messages of its dumps, fed in the order chains, sets,
/// elements, rules, objects, flowtables. Never fails and never throws: what our types cannot
/// express becomes an Opaque statement or a line in Table::foreign, and messages about other
/// tables, of other subsystems or without sense are passed over.
class TableDecoder {
  public:
    explicit TableDecoder(TableId id);

    void feed(const Message& message);

    /// Whether a message for the table itself has come.
    bool found() const { return found_; }
    /// Who holds it, for the one whose netlink port this is.
    Hold hold(std::uint32_t own_port) const;
    /// The sets and maps seen so far whose elements must be dumped.
    std::vector<std::string> sets() const;

    /// Sorts elements and pairs the ends of ranges.
    Table finish() &&;

  private:
    /// An element as a tree stores it: where a range starts, or the first key behind it.
    struct Boundary {
        Key key;
        bool end = false;
        Verdict verdict{};
        std::string comment{};
    };
    /// A set or map while its elements come in.
    struct Collected {
        SetSpec spec;
        bool map = false;
        bool foreign_elements = false;       ///< Told once, however many there are.
        std::vector<Boundary> boundaries{};  ///< Of a tree.
        std::vector<MapEntry> entries{};     ///< Of a map that is no tree.
        std::vector<Element> elements{};     ///< Of a set that is no tree.

        bool tree() const { return spec.interval && spec.key.size() == 1; }
    };

    void feed_table(Bytes attributes);
    void feed_chain(Bytes attributes);
    void feed_set(Bytes attributes);
    void feed_elements(Bytes attributes);
    void feed_rule(Bytes attributes);
    void feed_named(const char* kind, Bytes attributes);
    /// False: an element of a kind that we never write.
    static bool collect(Collected& set, Bytes element);
    static void pair_boundaries(Collected& set);
    void add_foreign(const std::string& line);

    Table table_;
    bool found_ = false;
    std::uint32_t hold_flags_ = 0;  ///< NFT_TABLE_F_OWNER and _PERSIST.
    std::uint32_t owner_ = 0;       ///< Netlink port of the owner.
    std::map<std::string, Collected> sets_;
};

}  // namespace podfence::nft::wire
