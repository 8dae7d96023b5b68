#include "controller/revocation.hpp"

#include <utility>

#include "controller/host_addresses.hpp"
#include "nft/conntrack_netlink.hpp"

namespace podfence {

namespace {

std::int64_t in_us(Clock::duration duration) {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

}  // namespace

std::unique_ptr<Revocation> Revocation::start(boost::asio::io_context& io, const Desired& desired,
                                              Log& log, Metrics& metrics) {
    if (!desired.options().connmark_bit) return nullptr;
    auto for_marks = nft::NetlinkConntrack::open();
    auto for_walks = nft::NetlinkConntrack::open();
    if (for_marks && for_walks) {
        return std::unique_ptr<Revocation>(new Revocation(
            io, desired, log, metrics, *std::move(for_marks), *std::move(for_walks)));
    }
    metrics.error("conntrack");
    log.error("cannot cut connections that policies stop allowing; new ones are denied",
              {{"error", to_string(for_marks ? for_walks.error() : for_marks.error())}});
    return nullptr;
}

Revocation::Revocation(boost::asio::io_context& io, const Desired& desired, Log& log,
                       Metrics& metrics, std::unique_ptr<nft::Conntrack> for_marks,
                       std::unique_ptr<nft::Conntrack> for_walks)
    : log_(log),
      metrics_(metrics),
      timer_(io),
      conntrack_(std::move(for_marks)),
      walker_(io, std::move(for_walks), relay_),
      revoker_(desired, desired.options().revoked_mark(),
               {.conntrack = *conntrack_,
                .walker = walker_,
                .now = [] { return Clock::now(); },
                .host_addresses = host_addresses},
               *this, Revoker::Limits{}) {}

void Revocation::enforced(std::span<const nft::Op> ops) {
    revoker_.enforced(ops);
    schedule();
}

void Revocation::compared(const ResyncReport& report) {
    // After a failure it is not known what the kernel took, and when. At the start, nor is it known
    // what a previous run did not come to.
    if (report.operations == 0 && report.reason != ResyncReason::start &&
        report.reason != ResyncReason::failure) {
        return;
    }
    revoker_.enforced_anew();
    schedule();
}

/// Not within the commit, whose time is measured.
void Revocation::schedule() {
    timer_.expires_at(Clock::now());
    timer_.async_wait([this](const boost::system::error_code& cancelled) {
        if (!cancelled) work();
    });
}

void Revocation::work() {
    revoker_.step();
    timer_.cancel();
    const auto at = revoker_.wake_at();
    if (!at) return;
    timer_.expires_at(*at);
    timer_.async_wait([this](const boost::system::error_code& cancelled) {
        if (!cancelled) work();
    });
}

void Revocation::revoked(std::size_t cut, std::size_t restored, Clock::duration latency,
                         Clock::duration took) {
    metrics_.connections_revoked(cut, restored);
    if (cut > 0) {
        log_.info("cut connections that policies no longer allow",
                  {{"connections", std::uint64_t{cut}},
                   {"latency_us", in_us(latency)},
                   {"took_us", in_us(took)}});
    }
    if (restored > 0) {
        log_.info("policies allow connections again that were cut",
                  {{"connections", std::uint64_t{restored}}, {"took_us", in_us(took)}});
    }
}

void Revocation::revoking_failed(const nft::Error& error, Clock::duration retry_in) {
    metrics_.error("conntrack");
    log_.error("cannot cut connections that policies no longer allow; new ones are denied",
               {{"error", to_string(error)}, {"retry_ms", in_us(retry_in) / 1000}});
}

}  // namespace podfence
