#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "controller/desired.hpp"
#include "controller/log.hpp"
#include "controller/node_ranges.hpp"
#include "controller/status.hpp"

namespace podfence {

/// Whether addresses of pods that nobody knows yet are held, and how it is known which those are.
/// Until that is known nothing may be written: what a previous run left, which may hold them, goes
/// on being enforced.
class UnknownPods {
  public:
    struct Options {
        bool hold = false;
        /// Where to ask for the node's ranges; nullopt: CompileOptions::held_ranges has what is
        /// held.
        std::optional<ClusterAccess> ask{};
    };

    /// Neither `io`, `desired` nor `log` is owned. `told` is called when what status() and known()
    /// say is another.
    UnknownPods(boost::asio::io_context& io, Options options, Desired& desired, Log& log,
                std::function<void()> told);

    void start();
    void stop();
    /// Whether it is known what is to be held, if only that nothing is.
    bool known() const { return !ask_ || answered_; }
    UnknownPodsStatus status() const;

  private:
    void hear(std::vector<Prefix> ranges);
    void hear(const Trouble& trouble);

    bool hold_;
    Desired& desired_;
    Log& log_;
    std::optional<NodeRanges> ask_{};  ///< Somebody gave the ranges: none.
    std::function<void()> told_;
    bool answered_ = false;
    std::optional<Trouble> trouble_{};
};

}  // namespace podfence
