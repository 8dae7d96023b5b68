#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "controller/cluster.hpp"
#include "test/support/lab.hpp"
#include "test/support/lab_child.hpp"

namespace podfence::lab {

/// `podfence agent` on every node of a lab, all of which follow one directory of manifests.
class FileAgents {
  public:
    /// Ready when this returns: the cluster is enforced. Throws Failure.
    FileAgents(const Lab& lab, const Cluster& cluster, std::vector<std::string> options = {});

    /// Writes what the cluster is now, whole and in an instant.
    void tell(const Cluster& cluster) const;
    /// What `podfence status -o json` says on that node.
    boost::json::value status(std::size_t node) const;
    /// The end of every agent's log.
    std::string logs() const;

  private:
    struct Node {
        std::string log;
        std::string socket;
        std::optional<Child> process{};
    };
    std::string directory_;
    std::vector<Node> nodes_;
};

}  // namespace podfence::lab
