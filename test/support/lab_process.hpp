#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace podfence::lab {

struct Finished {
    int status = 0;  ///< Exit status; 128 + signal when killed.
    std::string out;
    std::string err;
};

/// Runs a program to its end in the calling thread's network namespace, with `input` as its
/// standard input. `environment` is added to ours ("KEY=value"). Throws Failure when it cannot be
/// started.
Finished run_program(const std::vector<std::string>& argv, std::string_view input = {},
                     const std::vector<std::string>& environment = {});

/// The same, but any status other than 0 is a Failure. Gives what it printed.
std::string check_program(const std::vector<std::string>& argv, std::string_view input = {},
                          const std::vector<std::string>& environment = {});

}  // namespace podfence::lab
