// version: what a bug report needs.
#include <memory>
#include <string>

#include <CLI/Version.hpp>
#include <boost/json.hpp>
#include <boost/version.hpp>
#include <sys/utsname.h>

#include "cmd/cli11.hpp"
#include "cmd/common_options.hpp"
#include "nft/netlink_kernel.hpp"
#include "podfence_version.hpp"

namespace podfence::cmd {

namespace {

std::string boost_version() {
    return std::to_string(BOOST_VERSION / 100000) + "." +
           std::to_string(BOOST_VERSION / 100 % 1000) + "." + std::to_string(BOOST_VERSION % 100);
}

/// Can this process program nf_tables here? "usable", or why not.
std::string nftables_state() {
    auto kernel = nft::NetlinkKernel::open();
    if (!kernel) return to_string(kernel.error());
    const auto snapshot = (*kernel)->dump({});
    return snapshot ? "usable" : to_string(snapshot.error());
}

struct Versions {
    utsname system{};
    std::string nftables = nftables_state();
};

Exit run_version(Terminal& terminal, const OutputOptions& options) {
    Versions versions;
    ::uname(&versions.system);
    const std::string kernel = std::string(versions.system.release) + " " + versions.system.machine;
    if (options.format == Format::json) {
        terminal.out.json({{"version", kVersion},
                           {"kernel", kernel},
                           {"nftables", versions.nftables},
                           {"compiler", __VERSION__},
                           {"libraries",
                            {{"libnftnl", kNftnlVersion},
                             {"libmnl", kMnlVersion},
                             {"libyaml", kYamlVersion},
                             {"boost", boost_version()},
                             {"cli11", CLI11_VERSION}}}});
        return Exit::fine;
    }
    Output& out = terminal.out;
    out.line(std::string("podfence ") + kVersion);
    out.line("kernel     " + kernel);
    out.line("nftables   " + versions.nftables);
    out.line(std::string("built with GCC " __VERSION__ ", libnftnl ") + kNftnlVersion +
             ", libmnl " + kMnlVersion + ", libyaml " + kYamlVersion + ", Boost " +
             boost_version() + ", CLI11 " CLI11_VERSION);
    return Exit::fine;
}

}  // namespace

void add_version(CommandLine& line) {
    auto options = std::make_shared<OutputOptions>();
    CLI::App* command = line.add_command(
        "version",
        {.summary = "Print the version, and what a bug report needs",
         .description = "Prints the version of podfence, of the running kernel and of the "
                        "libraries it was built with, and whether nftables can be used here.",
         .examples = {{"for a script", "podfence version -o json"}},
         .exits = {}},
        [options](Terminal& terminal) { return run_version(terminal, *options); });
    add_output_options(line, *command, *options, {"text", "json"});
}

}  // namespace podfence::cmd
