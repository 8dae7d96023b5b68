#pragma once

#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "cmd/cni_conflist.hpp"

/// The CNI plugin on a node: its program, and its place at the end of the pod network's list.
namespace podfence::cmd {

struct CniPlace {
    std::string bin_dir = "/opt/cni/bin";
    std::string conf_dir = "/etc/cni/net.d";
    std::string conf{};     ///< The list, where it is not the first file of conf_dir.
    std::string program{};  ///< That is copied.
};

/// Beside this program, or where `cmake --install` puts it; "" when it is in neither place.
std::string find_cni_program();

/// The program first, then its entry in the list: at no moment does a runtime meet an entry without
/// a program. What was done, a line each; nothing: all was as it should be.
ConflistResult<std::vector<std::string>> install_cni(const CniPlace& place,
                                                     const boost::json::object& plugin);
/// The other way round, from all lists of the directory.
ConflistResult<std::vector<std::string>> remove_cni(const CniPlace& place);

/// Notices changes of a place's directories. Made before one looks at them, so that nothing is
/// missed.
class PlaceWatch {
  public:
    explicit PlaceWatch(const CniPlace& place);
    PlaceWatch(const PlaceWatch&) = delete;
    PlaceWatch& operator=(const PlaceWatch&) = delete;
    ~PlaceWatch();

    /// "" or why they cannot be watched.
    const std::string& problem() const { return problem_; }
    /// Until a file there changes: true; or a signal would end the process: false.
    bool wait();

  private:
    int inotify_ = -1;
    int signals_ = -1;
    std::string problem_{};
};

}  // namespace podfence::cmd
