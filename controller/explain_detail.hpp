#pragma once

#include "controller/explain.hpp"

/// What explain.cpp (the judgement) and explain_notes.cpp (the words) share. Not for others.
namespace podfence::explain_detail {

/// What one direction's policies are asked: may the judged pod talk with the other end?
struct Question {
    const Cluster& cluster;
    const Flow& flow;
    const Pod* source_pod;
    const Pod* destination_pod;
    Direction direction;

    bool ingress() const { return direction == Direction::ingress; }
    const Pod* judged() const { return ingress() ? destination_pod : source_pod; }
    const Pod* other_pod() const { return ingress() ? source_pod : destination_pod; }
    const Address& other_address() const { return ingress() ? flow.source : flow.destination; }
};

bool peer_matches(const Question& question, const ObjectName& policy, const Peer& peer);
bool port_matches(const Question& question, const PolicyPort& port);

/// The rule's outcome in words, given that the predicates above decide.
RuleOutcome describe(const Question& question, const ObjectName& policy, const PolicyRule& rule);

}  // namespace podfence::explain_detail
