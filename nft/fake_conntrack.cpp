#include "nft/fake_conntrack.hpp"

#include <cerrno>

namespace podfence::nft {

void FakeConntrack::add(const Connection& connection) {
    const bool added =
        connections_.try_emplace({connection.zone, connection.original}, connection).second;
    PODFENCE_CHECK(added);
}

void FakeConntrack::remove(const Connection& connection) {
    connections_.erase({connection.zone, connection.original});
}

Result<void> FakeConntrack::list(const ConnectionFilter& filter, const OnConnection& tell) {
    ++lists;
    const bool disturbed = interrupted > 0;
    if (disturbed) --interrupted;
    bool skip = false;
    for (const auto& [key, connection] : connections_) {
        if (!filter.takes(connection)) continue;
        skip = disturbed && !skip;
        if (!skip && !tell(connection)) return {};
    }
    if (!disturbed) return {};
    return Error{.code = Errc::interrupted, .os_error = EINTR, .doing = "list connections"};
}

Result<std::optional<Connection>> FakeConntrack::find(const Tuple& original, std::uint16_t zone) {
    const auto known = connections_.find({zone, original});
    if (known == connections_.end()) return std::optional<Connection>();
    return std::optional(known->second);
}

Result<std::size_t> FakeConntrack::set_mark(std::span<const Connection> connections,
                                            std::uint32_t mask, std::uint32_t mark) {
    std::size_t done = 0;
    for (const auto& connection : connections) {
        const auto known = connections_.find({connection.zone, connection.original});
        if (known == connections_.end()) continue;
        known->second.mark = (known->second.mark & ~mask) | mark;
        ++done;
    }
    return done;
}

}  // namespace podfence::nft
