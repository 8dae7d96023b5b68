#include "controller/unknown_pods.hpp"

#include <utility>

namespace podfence {

UnknownPods::UnknownPods(boost::asio::io_context& io, Options options, Desired& desired, Log& log,
                         std::function<void()> told)
    : hold_(options.hold), desired_(desired), log_(log), told_(std::move(told)) {
    if (!options.ask) return;
    ask_.emplace(io, *std::move(options.ask), NodeRanges::Options{.node = desired.options().node});
}

void UnknownPods::start() {
    if (!ask_) return;
    ask_->start({.known = [this](std::vector<Prefix> ranges) { hear(std::move(ranges)); },
                 .unknown = [this](const Trouble& trouble) { hear(trouble); }});
}

void UnknownPods::stop() {
    if (ask_) ask_->stop();
}

void UnknownPods::hear(std::vector<Prefix> ranges) {
    std::string text;
    for (const Prefix& range : ranges) text += (text.empty() ? "" : ", ") + to_string(range);
    log_.info("addresses of pods that are not known are held", {{"ranges", text}});
    desired_.hold(std::move(ranges));
    answered_ = true;
    trouble_.reset();
    told_();
}

void UnknownPods::hear(const Trouble& trouble) {
    if (trouble_ == trouble) return;
    trouble_ = trouble;
    log_.warning("cannot find out which addresses are pods'; what is enforced stays as it is",
                 {{"error", trouble.message}, {"remedy", trouble.remedy}});
    told_();
}

UnknownPodsStatus UnknownPods::status() const {
    UnknownPodsStatus status{.hold = hold_,
                             .known = known(),
                             .known_by = ask_ ? "spec.podCIDRs" : "--pod-cidr",
                             .ranges = desired_.options().held_ranges};
    if (!hold_) status.known_by.clear();
    if (trouble_) {
        status.error = trouble_->message;
        status.remedy = trouble_->remedy;
    }
    return status;
}

}  // namespace podfence
