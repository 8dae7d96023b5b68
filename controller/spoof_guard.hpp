#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "controller/anti_spoof.hpp"
#include "controller/cluster.hpp"
#include "controller/held_links.hpp"
#include "controller/link_guard.hpp"
#include "controller/log.hpp"
#include "controller/pod_links.hpp"
#include "controller/reconciler.hpp"
#include "controller/rtnetlink.hpp"
#include "controller/status.hpp"
#include "controller/waker.hpp"
#include "nft/monitor.hpp"
#include "nft/netlink_kernel.hpp"

namespace podfence {

/// The anti-spoof table as something wanted.
class SpoofTable final : public Wanted {
  public:
    /// `links` and `held` must outlive the table. `chains_stay`: the kernel keeps a hook's chain
    /// when the interface goes.
    SpoofTable(const PodLinks& links, const HeldLinks& held, AntiSpoofOptions options,
               bool chains_stay)
        : links_(links), held_(held), options_(std::move(options)), chains_stay_(chains_stay) {}

    std::vector<nft::Op> take_changes() override;
    nft::Table table() override { return compile_anti_spoof(doors(), options_); }
    /// Without interfaces: nothing of it denies before its hooks are there, all at once.
    nft::Table closed_table() override { return compile_anti_spoof({}, options_); }
    std::set<ObjectName> policies_behind(const std::string& /*object*/) const override {
        return {};
    }
    void refuse(const ObjectName& /*policy*/) override {}

  private:
    /// All interfaces at which there is something to prove.
    std::map<LinkIndex, PodLink> doors() const;

    const PodLinks& links_;
    const HeldLinks& held_;
    AntiSpoofOptions options_;
    bool chains_stay_;
    std::optional<nft::Table> told_{};
    std::map<std::string, LinkIndex> hooks_{};  ///< Of told_: chain and interface.
};

/// Linux 6.16 and later: a hook is bound to a name.
bool hook_chains_outlive_interfaces();

/// Finds the interfaces of this node's pods and keeps the table `netdev podfence` right. Lives in
/// the agent's io_context and follows rtnetlink; nothing is polled.
class SpoofGuard final : public LinkGuard, private ReconcilerObserver {
  public:
    struct Options {
        std::string node{};
        AntiSpoofOptions rules{};
        std::function<void()> worked{};  ///< holds() may say something else.
    };

    /// Nothing but `options` is owned. Errors: not_permitted, not_supported, io.
    static nft::Result<std::unique_ptr<SpoofGuard>> open(boost::asio::io_context& io,
                                                         Options options, const Cluster& cluster,
                                                         nft::NetlinkKernel& kernel, Log& log);

    /// Every pod has been told: before that nothing is written.
    void listed();
    /// The cluster knows something else of this pod, or knows it no more.
    void pod_changed(const ObjectName& pod);
    /// Addresses in these ranges are pods', known or not (controller/held_links.hpp).
    void hold(std::vector<Prefix> ranges);
    /// Nothing more happens; the rules stay.
    void stop();

    void told(const Attachment& attachment) override;
    void untold(const AttachmentKey& key) override;
    std::uint64_t revision() const override { return told_; }
    bool holds(std::uint64_t revision) const override;
    std::string trouble() const override;
    /// The kernel has all that is wanted: what was told is enforced.
    bool in_sync() const { return reconciler_.in_sync(); }
    /// The interfaces as they are known.
    const PodLinks& links() const { return links_; }

    AntiSpoofStatus status() const;

  private:
    SpoofGuard(boost::asio::io_context& io, Options options, const Cluster& cluster,
               nft::NetlinkKernel& kernel, Log& log, std::unique_ptr<RouteMonitor> routes,
               nft::Monitor monitor);

    // Of the reconciler.
    void committed(const CommitReport& report) override;
    void resynced(const ResyncReport& report) override;
    void failed(const nft::Error& error, Clock::duration retry_in) override;
    void refused(const ObjectName& /*policy*/, const nft::Error& /*error*/) override {}

    void watch(boost::asio::posix::stream_descriptor& what, void (SpoofGuard::*read)());
    void read_links();
    void hear_links(Clock::time_point now);
    void believe_told();
    void read_notices();
    void remember();
    void relist(Clock::time_point now);
    void refresh_pods();
    bool is_local(const Pod& pod) const { return pod.node == options_.node; }
    void tell_unbound();
    bool settle_held();
    void count() const;
    void schedule();
    void work();

    boost::asio::io_context& io_;
    Options options_;
    const Cluster& cluster_;
    nft::NetlinkKernel& kernel_;
    Log& log_;
    std::unique_ptr<RouteMonitor> routes_;
    nft::Monitor monitor_;
    PodLinks links_;
    HeldLinks held_;
    SpoofTable table_;
    Reconciler reconciler_;
    Waker waker_;
    boost::asio::posix::stream_descriptor link_news_;
    boost::asio::posix::stream_descriptor notices_;

    bool listed_ = false;
    bool scheduled_ = false;
    bool stopped_ = false;
    std::optional<Clock::time_point> relist_at_{};  ///< What is known of links has gaps.
    std::optional<Clock::time_point> changed_at_{};
    std::set<ObjectName> dirty_;                         ///< Pods to look at again.
    std::map<ObjectName, std::vector<Address>> claims_;  ///< Of this node's pods, held or not.
    std::map<Address, std::set<ObjectName>> claimants_;
    std::set<ObjectName> contested_;  ///< Pods of which others hold an address.
    std::set<ObjectName> told_unbound_;
    std::uint64_t told_ = 0;     ///< By the plugin, until now.
    std::uint64_t handled_ = 0;  ///< Of these.
    std::vector<Attachment> unhandled_{};
    std::map<AttachmentKey, LinkIndex> told_links_{};
    nft::ForeignCommit culprit_{};
    /// Of each chain what was counted when somebody last looked, and of all that there ever were.
    mutable std::map<std::string, std::uint64_t> counted_{};
    mutable std::uint64_t refused_ = 0;
    std::uint64_t repairs_ = 0;
    std::string error_{};
};

}  // namespace podfence
