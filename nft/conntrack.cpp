#include "nft/conntrack.hpp"

namespace podfence::nft {

std::string to_string(const Tuple& tuple) {
    return to_string(tuple.source) + ":" + std::to_string(tuple.source_port) + " -> " +
           to_string(tuple.destination) + ":" + std::to_string(tuple.destination_port) + " (" +
           std::to_string(tuple.protocol) + ")";
}

bool ConnectionFilter::takes(const Connection& connection) const {
    return (!source || *source == connection.original.source) &&
           (!answerer || *answerer == connection.reply.source) &&
           (connection.mark & mark_mask) == mark;
}

}  // namespace podfence::nft
