#include "controller/spoof_guard.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <boost/asio/post.hpp>
#include <sys/utsname.h>
#include <unistd.h>

#include "nft/plan.hpp"

namespace podfence {

namespace asio = boost::asio;

namespace {

/// Between two lists of all links: where news get lost there are many, and each list costs.
constexpr std::chrono::milliseconds kRelistPause{250};

}  // namespace

bool hook_chains_outlive_interfaces() {
    utsname system{};
    int major = 0;
    int minor = 0;
    return ::uname(&system) == 0 && std::sscanf(system.release, "%d.%d", &major, &minor) == 2 &&
           (major > 6 || (major == 6 && minor >= 16));
}

std::map<LinkIndex, PodLink> SpoofTable::doors() const {
    auto all = links_.links();
    all.insert(held_.links().begin(), held_.links().end());
    return all;
}

std::vector<nft::Op> SpoofTable::take_changes() {
    if (told_ && !chains_stay_) {
        // The kernel has taken these away already, and would refuse to do so again.
        for (const auto& [chain, link] : hooks_) {
            if (links_.facts().link(link) == nullptr) told_->chains.erase(chain);
        }
    }
    const auto doors = this->doors();
    nft::Table now = compile_anti_spoof(doors, options_);
    std::vector<nft::Op> ops = nft::plan(told_, now).ops;
    hooks_.clear();
    for (const auto& [index, link] : doors) hooks_.emplace(hook_chain(link), index);
    told_ = std::move(now);
    return ops;
}

nft::Result<std::unique_ptr<SpoofGuard>> SpoofGuard::open(asio::io_context& io, Options options,
                                                          const Cluster& cluster,
                                                          nft::NetlinkKernel& kernel, Log& log) {
    auto routes = RouteMonitor::open();
    if (!routes) return routes.error();
    auto monitor = nft::Monitor::open(options.rules.table, kernel.port());
    if (!monitor) return monitor.error();
    return std::unique_ptr<SpoofGuard>(new SpoofGuard(io, std::move(options), cluster, kernel, log,
                                                      *std::move(routes), *std::move(monitor)));
}

SpoofGuard::SpoofGuard(asio::io_context& io, Options options, const Cluster& cluster,
                       nft::NetlinkKernel& kernel, Log& log, std::unique_ptr<RouteMonitor> routes,
                       nft::Monitor monitor)
    : io_(io),
      options_(std::move(options)),
      cluster_(cluster),
      kernel_(kernel),
      log_(log),
      routes_(std::move(routes)),
      monitor_(std::move(monitor)),
      table_(links_, held_, options_.rules, hook_chains_outlive_interfaces()),
      reconciler_(
          table_, options_.rules.table, kernel, *this, [] { return Clock::now(); },
          Reconciler::Limits{}),
      waker_(io, reconciler_, [this] { schedule(); }),
      link_news_(io, ::dup(routes_->fd())),
      notices_(io, ::dup(monitor_.fd())) {
    watch(link_news_, &SpoofGuard::read_links);
    watch(notices_, &SpoofGuard::read_notices);
}

void SpoofGuard::stop() {
    stopped_ = true;
    waker_.stop();
    link_news_.cancel();
    notices_.cancel();
}

void SpoofGuard::watch(asio::posix::stream_descriptor& what, void (SpoofGuard::*read)()) {
    what.async_wait(asio::posix::stream_descriptor::wait_read,
                    [this, &what, read](const boost::system::error_code& error) {
                        if (error || stopped_) return;
                        (this->*read)();
                        watch(what, read);
                    });
}

// ---- pods -----------------------------------------------------------------------------------

void SpoofGuard::listed() {
    if (std::exchange(listed_, true)) return;
    remember();
    relist_at_ = Clock::now();
    reconciler_.listed();
    schedule();
}

/// What the last run bound is in the table that it left.
void SpoofGuard::remember() {
    const auto held = kernel_.dump(options_.rules.table);
    if (!held || !held->table) return;
    // What was nobody's has only been claimed.
    std::set<LinkIndex> nobodys;
    for (const auto& [name, chain] : held->table->chains) {
        const auto link = link_of_hook_chain(name);
        if (link && is_nobodys(chain)) nobodys.insert(*link);
    }
    for (const auto& [name, set] : held->table->sets) {
        const auto& key = set.spec.key;
        // Blocks are of annotations, and tell nothing about where a pod is. Between interface and
        // address other versions put what they like.
        if (key.size() < 2 || key.front() != nft::FieldType::iface_index || set.spec.interval) {
            continue;
        }
        for (const nft::Element& element : set.elements) {
            const auto fields = nft::split_key(key, element.first);
            const auto link = std::get<std::uint32_t>(fields.front());
            const auto* address = std::get_if<Address>(&fields.back());
            if (address != nullptr && !nobodys.contains(link)) links_.remember(link, *address);
        }
    }
}

void SpoofGuard::pod_changed(const ObjectName& name) {
    const Pod* pod = cluster_.find_pod(name);
    std::vector<Address> touched = pod == nullptr ? std::vector<Address>() : pod->addresses;
    const bool ours = pod != nullptr && is_local(*pod) && can_hold_addresses(*pod);
    if (const auto known = claims_.find(name); known != claims_.end() || ours) {
        const auto before = known == claims_.end() ? std::vector<Address>() : known->second;
        for (const Address& address : before) {
            auto& claimants = claimants_[address];
            claimants.erase(name);
            if (claimants.empty()) claimants_.erase(address);
        }
        touched.insert(touched.end(), before.begin(), before.end());
        if (ours) {
            for (const Address& address : pod->addresses) claimants_[address].insert(name);
            claims_.insert_or_assign(name, pod->addresses);
        } else {
            claims_.erase(name);
        }
        dirty_.insert(name);
    }
    // Whoever else claims the same holds it now, or no more.
    for (const Address& address : touched) {
        const auto claimants = claimants_.find(address);
        if (claimants == claimants_.end()) continue;
        dirty_.insert(claimants->second.begin(), claimants->second.end());
    }
    dirty_.insert(contested_.begin(), contested_.end());
    // A pod of any node may have taken what somebody is held with, or given it up.
    if (dirty_.empty() && held_.links().empty()) return;
    if (!changed_at_) changed_at_ = Clock::now();
    schedule();
}

void SpoofGuard::refresh_pods() {
    for (const auto& name : std::exchange(dirty_, {})) {
        const auto claims = claims_.find(name);
        const Pod* pod = cluster_.find_pod(name);
        std::vector<Address> held;
        if (claims != claims_.end() && pod != nullptr) {
            std::ranges::copy_if(claims->second, std::back_inserter(held),
                                 [&](const Address& one) { return cluster_.holds(*pod, one); });
        }
        if (claims != claims_.end() && held.size() < claims->second.size()) {
            contested_.insert(name);
        } else {
            contested_.erase(name);
        }
        const bool more = !held.empty() && options_.rules.extra_by_annotation;
        links_.set_pod(name, std::move(held),
                       more ? pod->extra_addresses.get() : std::vector<Prefix>());
    }
}

// ---- the plugin -----------------------------------------------------------------------------

void SpoofGuard::told(const Attachment& attachment) {
    ++told_;
    unhandled_.push_back(attachment);
    if (!changed_at_) changed_at_ = Clock::now();
    schedule();
}

void SpoofGuard::untold(const AttachmentKey& key) {
    std::erase_if(unhandled_, [&](const Attachment& one) { return one.key == key; });
    const auto known = told_links_.extract(key);
    if (known.empty()) return;
    links_.untold(known.mapped());
    schedule();
}

bool SpoofGuard::holds(std::uint64_t revision) const {
    if (options_.rules.mode != AntiSpoofMode::enforce) return true;
    return revision <= handled_ && reconciler_.holds(reconciler_.revision());
}

std::string SpoofGuard::trouble() const {
    return "the rules of this node's interfaces are not in the kernel yet" +
           (error_.empty() ? "" : ": " + error_);
}

/// The bridge that plugins may name beside the pod's interface is nobody's end.
void SpoofGuard::believe_told() {
    for (const Attachment& attachment : std::exchange(unhandled_, {})) {
        for (const auto& [index, link] : links_.facts().links()) {
            const auto& names = attachment.host_interfaces;
            if (link.kind == "bridge" || std::ranges::find(names, link.name) == names.end()) {
                continue;
            }
            links_.told(index, attachment.addresses);
            told_links_.insert_or_assign(attachment.key, index);
            break;
        }
    }
    handled_ = told_;
}

// ---- links ----------------------------------------------------------------------------------

void SpoofGuard::read_links() {
    hear_links(Clock::now());
    schedule();
}

void SpoofGuard::hear_links(Clock::time_point now) {
    auto news = routes_->read();
    if (!news) {
        log_.error("cannot follow this node's interfaces", {{"error", to_string(news.error())}});
    } else {
        for (const LinkEvent& event : news->events) links_.apply(event);
        if (!news->events.empty() && !changed_at_) changed_at_ = now;
    }
    if ((!news || news->lost) && !relist_at_) relist_at_ = now + kRelistPause;
}

void SpoofGuard::relist(Clock::time_point now) {
    auto facts = routes_->dump();
    if (!facts) {
        log_.error("cannot list this node's interfaces; what is enforced stays as it is",
                   {{"error", to_string(facts.error())}});
        relist_at_ = now + kRelistPause;
        return;
    }
    relist_at_.reset();
    links_.replace(*std::move(facts));
}

// ---- the kernel -----------------------------------------------------------------------------

/// Whatever else is ready in the io_context comes first: what happens together goes into the kernel
/// together.
void SpoofGuard::schedule() {
    if (std::exchange(scheduled_, true)) return;
    asio::post(io_, [this] { work(); });
}

void SpoofGuard::work() {
    scheduled_ = false;
    if (stopped_ || !listed_) return;
    const auto now = Clock::now();
    if (relist_at_ && now >= *relist_at_) relist(now);
    if (!unhandled_.empty()) {
        hear_links(now);  // The kernel told of an interface before the plugin could.
        believe_told();
    }
    refresh_pods();
    const bool bound = !links_.settle(*routes_).empty();
    tell_unbound();
    const bool changed = settle_held() || bound;
    if (const auto since = std::exchange(changed_at_, {}); changed) {
        reconciler_.changed(since.value_or(now));
    }
    reconciler_.step();
    if (options_.worked) options_.worked();
    waker_.sleep(relist_at_);
}

void SpoofGuard::tell_unbound() {
    std::set<ObjectName> unbound;
    for (const UnboundPod& one : links_.unbound()) {
        const Pod* pod = cluster_.find_pod(one.pod);
        if (pod == nullptr || pod->deleting) continue;  // Its interface went before it did.
        unbound.insert(one.pod);
        if (told_unbound_.contains(one.pod)) continue;
        log_.info("a pod's source addresses are not proved",
                  {{"pod", to_string(one.pod)}, {"reason", explanation(one)}});
    }
    told_unbound_ = std::move(unbound);
}

bool SpoofGuard::settle_held() {
    if (!held_.holds_any()) return false;
    HeldLinks::Known known{
        .is_taken = [this](const Address& one) { return cluster_.owner_of(one) != nullptr; },
        .any_local = !claims_.empty()};
    for (const ObjectName& pod : told_unbound_) {
        const auto claims = claims_.find(pod);
        if (claims != claims_.end())
            known.loose.insert(claims->second.begin(), claims->second.end());
    }
    return held_.settle(links_, *routes_, known);
}

void SpoofGuard::hold(std::vector<Prefix> ranges) {
    held_.hold(std::move(ranges));
    schedule();
}

void SpoofGuard::read_notices() {
    const auto notices = monitor_.read();
    if (!notices || notices->lost) reconciler_.disturbed(ResyncReason::lost);
    if (notices && !notices->foreign.empty()) {
        culprit_ = notices->foreign.back();
        reconciler_.disturbed(ResyncReason::drift);
    }
    schedule();
}

void SpoofGuard::committed(const CommitReport& report) {
    error_.clear();
    if (!log_.enabled(LogLevel::debug)) return;
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(report.latency);
    log_.debug("committed interfaces", {{"operations", std::uint64_t{report.operations}},
                                        {"latency_us", std::int64_t{us.count()}}});
}

void SpoofGuard::resynced(const ResyncReport& report) {
    error_.clear();
    const auto culprit = std::exchange(culprit_, {});
    if (report.reason == ResyncReason::start) {
        log_.info("proving the sources of pods",
                  {{"mode", to_string(options_.rules.mode)},
                   {"interfaces", std::uint64_t{links_.links().size()}}});
    } else if (report.operations > 0 && report.reason != ResyncReason::failure) {
        ++repairs_;
        log_.warning("repaired what somebody else changed in the table of interfaces",
                     {{"cause", to_string(report.reason)},
                      {"process", culprit.process},
                      {"pid", culprit.pid}});
    }
}

void SpoofGuard::failed(const nft::Error& error, Clock::duration /*retry_in*/) {
    error_ = to_string(error);
    // An interface that goes is out of the kernel's reach before we can have heard of it.
    if (error.code == nft::Errc::not_found) {
        log_.debug("an interface has gone; trying again", {{"error", error_}});
    } else {
        log_.error("the kernel does not take the rules of interfaces; it keeps what it has",
                   {{"error", error_}});
    }
}

}  // namespace podfence
