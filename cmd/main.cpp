// podfence: see README.md. This file only wires the commands together.
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <string>

#include "cmd/command_line.hpp"

namespace {

using namespace podfence::cmd;

Exit run(int argc, char** argv, Terminal& terminal) {
    CommandLine line;
    add_agent(line);
    add_apply(line);
    add_diff(line);
    add_dump(line);
    add_explain(line);
    add_matrix(line);
    add_status(line);
    add_doctor(line);
    add_cleanup(line);
    add_cni(line);
    add_version(line);
    add_names(line);
    add_completion(line);
    add_help(line);
    return line.run(argc, argv, terminal);
}

/// Output that did not arrive is a failure, except when its reader had seen enough.
Exit flush(Terminal& terminal, Exit status) {
    const int error = terminal.out.flush();
    if (error == 0 || error == EPIPE) return status;
    terminal.error(std::string("cannot write to standard output: ") + std::strerror(error));
    return worst(status, Exit::failure);
}

}  // namespace

int main(int argc, char** argv) {
    occupy_standard_streams();
    // A reader that goes away (`podfence dump | head`) is seen as EPIPE; it must not kill us
    // between two steps of a change.
    std::signal(SIGPIPE, SIG_IGN);
    Terminal terminal;
    try {
        const Exit status = run(argc, argv, terminal);
        return static_cast<int>(flush(terminal, status));
    } catch (const std::exception& error) {  // Of the standard library: no memory.
        terminal.error(std::string("unexpected: ") + error.what());
        return static_cast<int>(Exit::failure);
    }
}
