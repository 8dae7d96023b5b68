#include "controller/concern.hpp"

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "controller/families.hpp"
#include "controller/node_frame.hpp"

namespace podfence {

namespace {

/// The one address that an element's key begins with; nullopt: a range, or no address.
std::optional<Address> address_of(const nft::SetSpec& spec, const nft::Element& element) {
    const auto first = nft::split_key(spec.key, element.first);
    const auto last = nft::split_key(spec.key, element.last);
    const auto* address = std::get_if<Address>(&first.front());
    if (address == nullptr || first.front() != last.front()) return std::nullopt;
    return *address;
}

class ConcernOf {
  public:
    explicit ConcernOf(const Desired& desired) : desired_(desired) {}

    void operator()(const nft::AddTable& /*op*/) { concern_.everyone = true; }
    void operator()(const nft::DeleteTable& /*op*/) {}
    void operator()(const nft::AddSet& /*op*/) {}
    void operator()(const nft::AddMap& /*op*/) {}
    void operator()(const nft::DeleteSet& /*op*/) {}  // Who referred to it changed, too.
    void operator()(const nft::AddElements& /*op*/) {}
    void operator()(const nft::DeleteElements& op) {
        const auto judged = desired_.addresses_behind(op.set);
        const bool egress = !judged[index(Direction::egress)].empty();
        const bool ingress = !judged[index(Direction::ingress)].empty();
        for (const auto& element : op.elements) {
            const auto address = address_of(op.spec, element);
            if (!address) {
                add(judged);
                continue;
            }
            // Whom egress rules allow answers; whom ingress rules allow opens. A set of no class is
            // one of addresses to themselves.
            if (ingress || !egress) concern_.sources.insert(*address);
            if (egress || !ingress) concern_.answerers.insert(*address);
        }
    }
    void operator()(const nft::AddEntries& op) {
        const auto direction = dispatch_direction(op.map, op.spec);
        if (!direction) return add(desired_.addresses_behind(op.map));
        for (const auto& entry : op.entries) {
            const auto address = address_of(op.spec, entry.key);
            if (address) isolated(*direction).insert(*address);
        }
    }
    void operator()(const nft::DeleteEntries& op) {
        // Who is not isolated any more lost nothing.
        if (!dispatch_direction(op.map, op.spec)) add(desired_.addresses_behind(op.map));
    }
    void operator()(const nft::AddChain& /*op*/) {}
    void operator()(const nft::FlushChain& op) { add(desired_.addresses_behind(op.name)); }
    void operator()(const nft::DeleteChain& /*op*/) {}  // Who led to it changed, too.
    void operator()(const nft::AddRules& /*op*/) {}     // To a flushed chain, or a new one.

    Concern take() { return std::move(concern_); }

  private:
    std::set<Address>& isolated(Direction direction) {
        return direction == Direction::egress ? concern_.sources : concern_.answerers;
    }
    void add(const PerDirection<std::set<Address>>& judged) {
        for (const auto direction : kDirections) {
            const auto& addresses = judged[index(direction)];
            isolated(direction).insert(addresses.begin(), addresses.end());
        }
    }

    const Desired& desired_;
    Concern concern_;
};

}  // namespace

void Concern::merge(const Concern& other) {
    everyone = everyone || other.everyone;
    sources.insert(other.sources.begin(), other.sources.end());
    answerers.insert(other.answerers.begin(), other.answerers.end());
}

Concern concern_of(std::span<const nft::Op> ops, const Desired& desired) {
    ConcernOf concern(desired);
    for (const auto& op : ops) std::visit(concern, op);
    return concern.take();
}

}  // namespace podfence
