#include "controller/attached_pods.hpp"

#include <algorithm>

#include "controller/unsure_pods.hpp"

namespace podfence {

namespace {

/// With it a container's ID is told from others; more of it does not help a reader.
constexpr std::size_t kIdCharsShown = 16;
constexpr std::size_t kNameCharsMax = 253;

bool is_among(const Address& address, const std::vector<Address>& list) {
    return std::ranges::find(list, address) != list.end();
}

/// The pod's name and where it is: a sandbox has one such interface. Nobody gives a pod a
/// container's ID for a name.
ObjectName stand_in_name(const AttachmentKey& key, const ObjectName& pod) {
    std::string id;
    for (const char c : key.container.substr(0, kIdCharsShown)) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        id += plain ? c : 'x';
    }
    return {.ns = pod.ns, .name = pod.name.substr(0, kNameCharsMax - kIdCharsShown - 1) + "." + id};
}

}  // namespace

// ---- the source -----------------------------------------------------------------------------

void AttachedPods::put(Object object, std::vector<Problem> problems) {
    if (const auto* policy = std::get_if<NetworkPolicy>(&object);
        policy != nullptr && is_stand_in(policy->name)) {
        unsure_by_source_.insert(policy->name.ns);
        if (unsure_by_us_.contains(policy->name.ns)) return;
    }
    auto* pod = std::get_if<Pod>(&object);
    if (pod == nullptr) return sink_.put(std::move(object), std::move(problems));
    const ObjectName name = pod->name;
    if (pod->node != node_) {
        const bool was_own = own_.erase(name) != 0;
        sink_.put(std::move(object), std::move(problems));
        if (was_own) settle_stand_ins(name);
        return;
    }
    auto& own = own_[name];
    own.pod = *pod;
    own.told = addresses_of(*pod);
    pod->addresses = own.told;
    // Before its stand-ins go: at no moment does nobody hold the address.
    sink_.put(std::move(object), std::move(problems));
    settle_stand_ins(name);
}

void AttachedPods::remove(Kind kind, const ObjectName& name) {
    if (kind == Kind::policy && is_stand_in(name)) {
        unsure_by_source_.erase(name.ns);
        if (unsure_by_us_.contains(name.ns)) return;
    }
    if (kind == Kind::pod && own_.erase(name) != 0) settle_stand_ins(name);
    sink_.remove(kind, name);
}

// ---- the plugin -----------------------------------------------------------------------------

bool AttachedPods::attach(Attachment attachment) {
    const AttachmentKey key = attachment.key;
    const auto known = attachments_.find(key);
    if (known == attachments_.end() && attachments_.size() >= kAttachmentsMax) return false;
    if (known != attachments_.end() && known->second == attachment) return true;
    std::set<ObjectName> affected;
    forget(key, affected);
    ++told_;
    for (const Address& address : attachment.addresses) {
        if (const auto* former = holder_of(address); former != nullptr && *former != key) {
            affected.insert(attachments_.at(*former).pod);
        }
        claims_[address].insert_or_assign(told_, key);
    }
    affected.insert(attachment.pod);
    add_claimants(attachment.addresses, affected);
    of_pod_[attachment.pod].insert(key);
    attachments_.emplace(key, std::move(attachment));
    settle(affected);
    return true;
}

void AttachedPods::detach(const AttachmentKey& key) {
    std::set<ObjectName> affected;
    forget(key, affected);
    settle(affected);
}

std::vector<AttachmentKey> AttachedPods::keep_only(const std::string& network,
                                                   const std::set<AttachmentKey>& valid) {
    std::set<ObjectName> affected;
    std::vector<AttachmentKey> gone;
    for (const auto& [key, attachment] : attachments_) {
        if (key.network == network && !valid.contains(key)) gone.push_back(key);
    }
    for (const auto& key : gone) forget(key, affected);
    settle(affected);
    return gone;
}

AttachedPods::State AttachedPods::state(const AttachmentKey& key) const {
    const auto known = attachments_.find(key);
    if (known == attachments_.end()) return State::none;
    const auto own = own_.find(known->second.pod);
    return own != own_.end() && belongs(known->second, own->second.pod) ? State::known
                                                                        : State::unknown;
}

// ---- both -----------------------------------------------------------------------------------

/// By the uid, as a pod may have had a namesake. The kubelet knows a static pod by another uid than
/// the API server, whose object of it says so by the address, later.
bool AttachedPods::belongs(const Attachment& attachment, const Pod& pod) const {
    if (attachment.uid.empty() || pod.uid.empty() || Uid(attachment.uid) == pod.uid) return true;
    return std::ranges::any_of(attachment.addresses, [&](const auto& address) {
        return is_among(address, pod.addresses);
    });
}

const AttachmentKey* AttachedPods::holder_of(const Address& address) const {
    const auto claims = claims_.find(address);
    return claims == claims_.end() ? nullptr : &claims->second.rbegin()->second;
}

std::vector<Address> AttachedPods::held_by(const AttachmentKey& key,
                                           const Attachment& attachment) const {
    std::vector<Address> held;
    for (const Address& address : attachment.addresses) {
        const auto* holder = holder_of(address);
        if (holder != nullptr && *holder == key && !is_among(address, held)) {
            held.push_back(address);
        }
    }
    return held;
}

std::vector<Address> AttachedPods::addresses_of(const Pod& pod) const {
    std::vector<Address> addresses;
    if (const auto own = of_pod_.find(pod.name); own != of_pod_.end()) {
        for (const auto& key : own->second) {
            const Attachment& attachment = attachments_.at(key);
            if (!belongs(attachment, pod)) continue;
            const auto held = held_by(key, attachment);
            addresses.insert(addresses.end(), held.begin(), held.end());
        }
    }
    if (!addresses.empty()) return addresses;
    std::ranges::copy_if(pod.addresses, std::back_inserter(addresses),
                         [&](const Address& address) { return !claims_.contains(address); });
    return addresses;
}

void AttachedPods::forget(const AttachmentKey& key, std::set<ObjectName>& affected) {
    const auto known = attachments_.find(key);
    if (known == attachments_.end()) return;
    const Attachment& attachment = known->second;
    for (const Address& address : attachment.addresses) {
        const auto claims = claims_.find(address);
        if (claims == claims_.end()) continue;  // It had it twice.
        std::erase_if(claims->second, [&](const auto& claim) { return claim.second == key; });
        if (claims->second.empty()) claims_.erase(claims);
        if (const auto* next = holder_of(address)) affected.insert(attachments_.at(*next).pod);
    }
    add_claimants(attachment.addresses, affected);
    affected.insert(attachment.pod);
    const auto own = of_pod_.find(attachment.pod);
    own->second.erase(key);
    if (own->second.empty()) of_pod_.erase(own);
    remove_stand_in(key);
    attachments_.erase(known);
}

/// Pods of this node whose status says that they have one of these.
void AttachedPods::add_claimants(const std::vector<Address>& addresses,
                                 std::set<ObjectName>& affected) const {
    for (const auto& [name, own] : own_) {
        if (std::ranges::any_of(addresses, [&pod = own.pod](const auto& address) {
                return is_among(address, pod.addresses);
            })) {
            affected.insert(name);
        }
    }
}

void AttachedPods::settle(const std::set<ObjectName>& affected) {
    for (const auto& name : affected) {
        settle_own(name);
        settle_stand_ins(name);
    }
}

/// What was wrong with the object was told with it.
void AttachedPods::settle_own(const ObjectName& name) {
    const auto own = own_.find(name);
    if (own == own_.end()) return;
    auto addresses = addresses_of(own->second.pod);
    if (addresses == own->second.told) return;
    own->second.told = std::move(addresses);
    Pod pod = own->second.pod;
    pod.addresses = own->second.told;
    sink_.put(std::move(pod), {});
}

void AttachedPods::settle_stand_ins(const ObjectName& name) {
    const auto attached = of_pod_.find(name);
    if (attached == of_pod_.end()) return;
    const auto own = own_.find(name);
    for (const auto& key : attached->second) {
        const Attachment& attachment = attachments_.at(key);
        if (own != own_.end() && belongs(attachment, own->second.pod)) {
            remove_stand_in(key);
        } else {
            put_stand_in(key, attachment);
        }
    }
}

void AttachedPods::put_stand_in(const AttachmentKey& key, const Attachment& attachment) {
    Pod pod{.name = stand_in_name(key, attachment.pod),
            .uid = Uid(attachment.uid),
            .labels = Labels{{std::string(kUnsureLabel), std::string(kUnknown)}},
            .node = node_,
            .phase = PodPhase::running,
            .created_s = attachment.since_ms / 1000,
            .addresses = held_by(key, attachment)};
    const auto told = stand_ins_.find(key);
    if (told != stand_ins_.end() && told->second == pod) return;
    const std::string& ns = pod.name.ns;
    if (told == stand_ins_.end() && unsure_by_us_[ns]++ == 0 && !unsure_by_source_.contains(ns)) {
        sink_.put(stand_in_policy(ns, {}), {});
    }
    stand_ins_.insert_or_assign(key, pod);
    sink_.put(std::move(pod), {});
}

void AttachedPods::remove_stand_in(const AttachmentKey& key) {
    const auto told = stand_ins_.extract(key);
    if (told.empty()) return;
    const ObjectName& name = told.mapped().name;
    sink_.remove(Kind::pod, name);
    const auto count = unsure_by_us_.find(name.ns);
    if (--count->second > 0) return;
    unsure_by_us_.erase(count);
    if (!unsure_by_source_.contains(name.ns)) {
        sink_.remove(Kind::policy, stand_in_policy(name.ns, {}).name);
    }
}

}  // namespace podfence
