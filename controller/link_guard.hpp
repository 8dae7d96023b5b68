#pragma once

#include <cstdint>
#include <string>

#include "controller/attachment.hpp"

namespace podfence {

/// Who proves the sources of pods at their interfaces, as far as the CNI plugin has to do with it.
class LinkGuard {
  public:
    LinkGuard() = default;
    LinkGuard(const LinkGuard&) = delete;
    LinkGuard& operator=(const LinkGuard&) = delete;
    virtual ~LinkGuard() = default;

    /// The plugins have made the attachment's interfaces on the node's side for its addresses: who
    /// makes them knows best whose they are. Told again, it is as before.
    virtual void told(const Attachment& attachment) = 0;
    virtual void untold(const AttachmentKey& key) = 0;
    /// Counts what was told.
    virtual std::uint64_t revision() const = 0;
    /// What was told up to this revision is enforced, or need not be: without an interface that is
    /// one pod's end nothing can be, and an audit lets everything in.
    virtual bool holds(std::uint64_t revision) const = 0;
    /// Why it does not, for a person.
    virtual std::string trouble() const = 0;
};

}  // namespace podfence
