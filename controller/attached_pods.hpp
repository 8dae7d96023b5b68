#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/attachment.hpp"
#include "controller/source.hpp"

namespace podfence {

/// Between a source and its sink: joins what the source tells of this node's pods with what the CNI
/// plugin told of their sandboxes, which is earlier and nearer. A pod is told to the sink
///   - with the addresses of its attachments instead of those of its status, which come seconds
///     later and, after a node was restarted, are the former ones;
///   - without addresses that another pod's attachment holds: the interface that has an address
///     now wins, whatever a status says still.
/// An attachment whose pod the source has not told of is told as a pod of its own, isolated in both
/// directions, so that its first packet meets a closed door.
class AttachedPods final : public Sink {
  public:
    /// Several times what a node has pods.
    static constexpr std::size_t kAttachmentsMax = 4096;

    enum class State : std::uint8_t {
        none,     ///< There is no such attachment.
        unknown,  ///< The source has not told of its pod.
        known,
    };

    /// The sink is not owned.
    AttachedPods(Sink& sink, std::string node) : sink_(sink), node_(std::move(node)) {}

    void put(Object object, std::vector<Problem> problems) override;
    void remove(Kind kind, const ObjectName& name) override;
    void listed(Kind kind) override { sink_.listed(kind); }
    void trouble(Kind kind, const Trouble& trouble) override { sink_.trouble(kind, trouble); }
    void recovered(Kind kind) override { sink_.recovered(kind); }
    void problems(std::vector<Problem> all) override { sink_.problems(std::move(all)); }
    void untold(const Trouble& trouble) override { sink_.untold(trouble); }

    /// Made, or told again. False: there are too many.
    bool attach(Attachment attachment);
    void detach(const AttachmentKey& key);
    /// Of this network there are these and no others. Returns those that are gone.
    std::vector<AttachmentKey> keep_only(const std::string& network,
                                         const std::set<AttachmentKey>& valid);

    State state(const AttachmentKey& key) const;
    const std::map<AttachmentKey, Attachment>& attachments() const { return attachments_; }

  private:
    /// A pod of this node as the source tells it, and the addresses with which the sink was told.
    struct Own {
        Pod pod{};
        std::vector<Address> told{};
    };

    bool belongs(const Attachment& attachment, const Pod& pod) const;
    const AttachmentKey* holder_of(const Address& address) const;
    std::vector<Address> held_by(const AttachmentKey& key, const Attachment& attachment) const;
    std::vector<Address> addresses_of(const Pod& pod) const;
    void forget(const AttachmentKey& key, std::set<ObjectName>& affected);
    void add_claimants(const std::vector<Address>& addresses, std::set<ObjectName>& affected) const;
    void settle(const std::set<ObjectName>& affected);
    void settle_own(const ObjectName& name);
    void settle_stand_ins(const ObjectName& name);
    void put_stand_in(const AttachmentKey& key, const Attachment& attachment);
    void remove_stand_in(const AttachmentKey& key);

    Sink& sink_;
    std::string node_;
    std::map<AttachmentKey, Attachment> attachments_{};
    std::map<ObjectName, std::set<AttachmentKey>> of_pod_{};
    /// Those that have an address, by when they were told; the last one holds it.
    std::map<Address, std::map<std::uint64_t, AttachmentKey>> claims_{};
    std::uint64_t told_ = 0;  ///< Attachments until now.
    std::map<ObjectName, Own> own_{};
    std::map<AttachmentKey, Pod> stand_ins_{};  ///< As they were told.
    /// Namespaces in which pods are isolated because little is known of them: by the source's
    /// account, and by how many stand-ins. One policy does for all (controller/unsure_pods.hpp).
    std::set<std::string> unsure_by_source_{};
    std::map<std::string, std::size_t> unsure_by_us_{};
};

}  // namespace podfence
