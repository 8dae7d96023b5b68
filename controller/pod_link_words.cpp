// How bindings of pods to interfaces are called, in the log and the status.
#include "controller/pod_links.hpp"

namespace podfence {

std::string_view to_string(Evidence evidence) {
    switch (evidence) {
        case Evidence::told:
            return "cni";
        case Evidence::route:
            return "route";
        case Evidence::peer:
            return "peer";
        case Evidence::learned:
            return "learned";
    }
    return "unknown";
}

std::string_view to_string(UnboundPod::Reason reason) {
    switch (reason) {
        case UnboundPod::Reason::no_interface:
            return "no-interface";
        case UnboundPod::Reason::other_kind:
            return "interface-kind";
        case UnboundPod::Reason::shared:
            return "interface-shared";
    }
    return "unknown";
}

std::string explanation(const UnboundPod& pod) {
    switch (pod.reason) {
        case UnboundPod::Reason::no_interface:
            return "no interface of this node leads to it (macvlan, ipvlan, SR-IOV and the like "
                   "do not): its source addresses cannot be proved, and its traffic may pass no "
                   "hook at all";
        case UnboundPod::Reason::other_kind:
            return "interface " + pod.interface +
                   " leads to it, which is not one pod's: its source addresses cannot be proved";
        case UnboundPod::Reason::shared:
            return "interface " + pod.interface +
                   " leads to other pods too: its source addresses cannot be proved";
    }
    return {};
}

}  // namespace podfence
