// podfence-cni: see invocation.hpp.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <unistd.h>

#include "cmd/cni/commands.hpp"

namespace {

using namespace podfence::cni;
namespace json = boost::json;

/// Many times what a network configuration with a result takes.
constexpr std::size_t kInputBytesMax = std::size_t{1} << 20;

/// nullopt: it cannot be read, or is too long.
std::optional<std::string> read_input() {
    std::string text;
    std::array<char, 8192> bytes{};
    while (text.size() <= kInputBytesMax) {
        const ssize_t size = ::read(STDIN_FILENO, bytes.data(), bytes.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return std::nullopt;
        if (size == 0) return text;
        text.append(bytes.data(), static_cast<std::size_t>(size));
    }
    return std::nullopt;
}

/// 0, or 1 when it did not arrive.
int print(const json::value& value) {
    if (value.is_null()) return 0;
    const std::string text = json::serialize(value) + "\n";
    const bool arrived =
        std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
    return arrived ? 0 : 1;
}

int fail(const CniError& error, const std::string& version) {
    (void)print(json::object{{"cniVersion", version},
                             {"code", static_cast<int>(error.code)},
                             {"msg", error.msg},
                             {"details", error.details}});
    return 1;
}

Result<json::value> run(const Environment& environment, const json::value& input) {
    const std::string& command = environment.command;
    const auto invocation = understand(environment, input);
    if (!invocation) return invocation.error();
    if (command == "ADD") return add(*invocation);
    if (command == "DEL") return del(*invocation);
    if (command == "CHECK") return check(*invocation);
    if (command == "GC") return gc(*invocation);
    return status(*invocation);
}

bool is_command(const std::string& text) {
    for (const char* command : {"ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"}) {
        if (text == command) return true;
    }
    return false;
}

}  // namespace

int main() {
    std::signal(SIGPIPE, SIG_IGN);
    const Environment environment = Environment::of_process();
    if (environment.command.empty()) {
        (void)std::fputs(
            "podfence-cni: a CNI plugin for the end of a node's chain, run by its container "
            "runtime.\nSee 'podfence cni --help' on how it is installed.\n",
            stderr);
    }
    if (!is_command(environment.command)) {
        return fail({Code::invalid_environment, "an environment variable is missing or wrong",
                     "CNI_COMMAND is ADD, DEL, CHECK, GC, STATUS or VERSION"},
                    std::string(kVersions.back()));
    }
    const auto text = read_input();
    boost::system::error_code error;
    const json::value input = json::parse(text.value_or(""), error);
    const std::string version_told = version_of(input);
    if (!text) {
        return fail({Code::io_failure, "cannot read the network configuration", {}}, version_told);
    }
    if (environment.command == "VERSION") return print(version(input));
    if (error) {
        return fail({Code::no_json, "the network configuration is no JSON", error.message()},
                    version_told);
    }
    const auto done = run(environment, input);
    return done ? print(*done) : fail(done.error(), version_told);
}
