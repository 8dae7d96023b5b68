#include "controller/exec_plugin.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "controller/api_stream.hpp"
#include "controller/base64.hpp"
#include "controller/validate.hpp"

namespace podfence {

namespace {

namespace asio = boost::asio;
namespace json = boost::json;

/// Of the credentials a plugin prints.
constexpr std::size_t kOutputBytes = std::size_t{1} << 20;
/// Of what it says when it fails.
constexpr std::size_t kShownBytes = 300;

Trouble failure(const ExecPlugin& plugin, const std::string& reason) {
    return {.cause = Trouble::Cause::credentials,
            .message = "the credential plugin " + plugin.command + ' ' + reason,
            .remedy = plugin.install_hint.empty() ? "it is run again at every attempt"
                                                  : plugin.install_hint};
}

/// A file in memory; what a program writes there waits until it is read.
class MemoryFile {
  public:
    MemoryFile() : fd_(::memfd_create("podfence-plugin", MFD_CLOEXEC)) {}
    ~MemoryFile() {
        if (fd_ >= 0) ::close(fd_);
    }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;
    int fd() const { return fd_; }

    /// From the start, up to a limit.
    std::string read(std::size_t limit) const {
        std::string text(limit, '\0');
        const ssize_t size = ::pread(fd_, text.data(), text.size(), 0);
        text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        return text;
    }

  private:
    int fd_;
};

std::vector<std::string> environment_of(const ExecPlugin& plugin, const std::string& info) {
    std::vector<std::string> out;
    const auto set = [&](const std::string& name, const std::string& value) {
        std::erase_if(out, [&](const std::string& old) { return old.starts_with(name + '='); });
        out.push_back(name + '=' + value);
    };
    for (char** variable = environ; *variable != nullptr; ++variable) out.emplace_back(*variable);
    for (const auto& [name, value] : plugin.env) set(name, value);
    set("KUBERNETES_EXEC_INFO", info);
    return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (std::string& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

/// Starts the plugin in a process group of its own, with a mask and dispositions of its own; gives
/// its process id.
Sourced<pid_t> spawn(const ExecPlugin& plugin, const std::string& info, const MemoryFile& output,
                     const MemoryFile& errors) {
    std::vector<std::string> words = {plugin.command};
    words.insert(words.end(), plugin.args.begin(), plugin.args.end());
    std::vector<std::string> variables = environment_of(plugin, info);
    posix_spawn_file_actions_t files{};
    posix_spawnattr_t attributes{};
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&files, output.fd(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&files, errors.fd(), STDERR_FILENO);
    sigset_t none{};
    sigset_t all{};
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    pid_t pid = -1;
    const int error = ::posix_spawnp(&pid, plugin.command.c_str(), &files, &attributes,
                                     pointers(words).data(), pointers(variables).data());
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&files);
    if (error != 0) {
        return failure(plugin, "cannot be started: " + std::generic_category().message(error));
    }
    return pid;
}

/// A process that was started; killed and reaped with all of its group if it still runs.
class Child {
  public:
    explicit Child(pid_t pid) : pid_(pid) {}
    ~Child() {
        if (pid_ <= 0) return;
        ::kill(-pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    /// Becomes readable when the process ends; -1: the kernel has none.
    int descriptor() const { return static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)); }
    /// The status as waitpid() has it; the process must have ended.
    int reap() {
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return status;
    }

  private:
    pid_t pid_;
};

std::string first_words(std::string text) {
    const std::size_t end = text.find_last_not_of(" \t\r\n");
    text.resize(end == std::string::npos ? 0 : end + 1);
    return text.empty() ? "" : ": " + quoted(text);
}

}  // namespace

std::string exec_info(const ExecPlugin& plugin, const ClusterAccess& access,
                      const std::string& ca_pem) {
    json::object spec{{"interactive", false}};
    if (plugin.cluster_info) {
        json::object cluster{{"server", url_of(access)}};
        if (access.server_name != access.host) cluster["tls-server-name"] = access.server_name;
        if (!access.verify) cluster["insecure-skip-tls-verify"] = true;
        if (!ca_pem.empty()) cluster["certificate-authority-data"] = to_base64(ca_pem);
        cluster["config"] = nullptr;
        spec["cluster"] = std::move(cluster);
    }
    return json::serialize(json::object{
        {"kind", "ExecCredential"}, {"apiVersion", plugin.api_version}, {"spec", std::move(spec)}});
}

Sourced<ExecCredential> parse_exec_output(const ExecPlugin& plugin, std::string_view output) {
    ApiStream stream([](const ApiObject&) {});
    if (!stream.feed(output) || !stream.complete() || !stream.root().is_map()) {
        // Not quoted: it may hold secrets.
        return failure(plugin, "printed no JSON");
    }
    const Node& root = stream.root();
    if (root.string_at("kind") != "ExecCredential" ||
        root.string_at("apiVersion") != plugin.api_version) {
        return failure(plugin, "printed no ExecCredential of " + plugin.api_version);
    }
    const Node* status = root.get("status");
    if (status == nullptr) return failure(plugin, "printed an ExecCredential without status");
    ExecCredential credential{
        .token = std::string(status->string_at("token")),
        .certificate = std::string(status->string_at("clientCertificateData")),
        .key = std::string(status->string_at("clientKeyData"))};
    if (credential.certificate.empty() != credential.key.empty()) {
        return failure(plugin, "gave a certificate or a key without the other");
    }
    if (credential.token.empty() && credential.certificate.empty()) {
        return failure(plugin, "gave neither a token nor a certificate");
    }
    if (const auto text = status->string_at("expirationTimestamp"); !text.empty()) {
        credential.expires_s = parse_time(text);
        if (!credential.expires_s)
            return failure(plugin, "gave an expirationTimestamp that is none");
    }
    return credential;
}

asio::awaitable<Sourced<ExecCredential>> run_exec_plugin(asio::any_io_executor executor,
                                                         ExecPlugin plugin, std::string info,
                                                         std::chrono::milliseconds timeout) {
    const MemoryFile output;
    const MemoryFile errors;
    if (output.fd() < 0 || errors.fd() < 0) {
        co_return failure(plugin, "cannot be started: no memory for its output");
    }
    const auto pid = spawn(plugin, info, output, errors);
    if (!pid) co_return pid.error();
    Child child(*pid);
    const int ended = child.descriptor();
    if (ended < 0) co_return failure(plugin, "cannot be awaited: the kernel is too old (5.3)");
    // Shared, because the timer may be about to fire when the process ends.
    const auto end = std::make_shared<asio::posix::stream_descriptor>(executor, ended);
    asio::steady_timer timer(executor, timeout);
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters): it is no coroutine.
    timer.async_wait([end](const boost::system::error_code& ec) {
        if (!ec) end->cancel();
    });
    const auto [ec] = co_await end->async_wait(asio::posix::stream_descriptor::wait_read,
                                               asio::as_tuple(asio::use_awaitable));
    if (ec) co_return failure(plugin, "did not end in time");
    timer.cancel();
    const int status = child.reap();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        const std::string how = WIFEXITED(status)
                                    ? "ended with status " + std::to_string(WEXITSTATUS(status))
                                    : "was killed by signal " + std::to_string(WTERMSIG(status));
        co_return failure(plugin, how + first_words(errors.read(kShownBytes)));
    }
    co_return parse_exec_output(plugin, output.read(kOutputBytes));
}

}  // namespace podfence
