#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>
#include <boost/system/result.hpp>

#include "controller/attachment.hpp"

/// podfence-cni: the CNI plugin at the end of a node's chain. It tells the agent of a pod before
/// the pod's first process runs, and keeps the runtime waiting until the pod's rules are in force.
/// https://github.com/containernetworking/cni/blob/main/SPEC.md
namespace podfence::cni {

/// Of the specification; those from 100 are ours.
enum class Code : std::uint8_t {
    incompatible_version = 1,
    invalid_environment = 4,
    io_failure = 5,
    no_json = 6,
    invalid_config = 7,
    try_again_later = 11,
    not_available = 50,
    not_enforced = 101,
};

struct CniError {
    Code code{};
    std::string msg{};
    std::string details{};
};
template <class T>
using Result = boost::system::result<T, CniError>;
[[noreturn]] void throw_exception_from_error(const CniError& error,
                                             const boost::source_location& where);

/// The versions whose chains hand on a prevResult.
inline constexpr std::array<std::string_view, 5> kVersions = {"0.3.0", "0.3.1", "0.4.0", "1.0.0",
                                                              "1.1.0"};

/// When the agent does not answer, or is not in sync with the API server, a pod that is started...
enum class OnAgentMissing : std::uint8_t {
    wait,   ///< ...waits for it as long as `timeout`, and then starts without.
    allow,  ///< ...starts without.
    deny,   ///< ...waits as long as `timeout`, and then fails; the kubelet tries again.
};

/// What the environment says.
struct Environment {
    std::string command{};
    std::string container{};
    std::string netns{};
    std::string interface {};
    std::string args{};

    static Environment of_process();
};

/// One run of the plugin, understood and checked.
struct Invocation {
    static constexpr std::chrono::milliseconds kTimeoutDefault{10'000};
    /// The kubelet gives up a sandbox after four minutes.
    static constexpr std::chrono::milliseconds kTimeoutMax{180'000};

    std::string command{};
    AttachmentKey key{};
    std::string netns{};
    ObjectName pod{};  ///< Both empty: no pod of Kubernetes.
    std::string uid{};

    std::string version{};
    OnAgentMissing on_agent_missing = OnAgentMissing::wait;
    std::chrono::milliseconds timeout = kTimeoutDefault;
    std::string socket{};
    boost::json::value prev_result{};        ///< null: there is none.
    boost::json::value valid_attachments{};  ///< Of GC.
};

/// The version that `input` asks for, else the newest: errors are told in it.
std::string version_of(const boost::json::value& input);
/// ADD, DEL, CHECK, GC and STATUS.
Result<Invocation> understand(const Environment& environment, const boost::json::value& input);

/// What the plugins before us made, as the agent is told of it.
Result<Attachment> attachment_of(const Invocation& invocation);

}  // namespace podfence::cni
