#include "controller/startup_memory.hpp"

#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include <sys/mman.h>

namespace podfence {

namespace {

struct Mapping {
    std::uintptr_t first = 0;
    std::uintptr_t last = 0;
};

/// The first line of a mapping in /proc/PID/smaps, of a file that this process only reads there.
/// nullopt: it is another line, or another mapping.
std::optional<Mapping> read_only_file(const std::string& line) {
    std::istringstream fields(line);
    Mapping mapping;
    char dash = 0;
    std::string access;
    std::string offset;
    std::string device;
    std::uint64_t inode = 0;
    fields >> std::hex >> mapping.first >> dash >> mapping.last >> access >> offset >> device >>
        std::dec >> inode;
    const bool only_read = access == "r-xp" || access == "r--p";
    return fields && dash == '-' && only_read && inode != 0 ? std::optional(mapping) : std::nullopt;
}

/// "Name:   12 kB", where a mapping's first line begins with a hexadecimal number.
bool is_field(const std::string& line) {
    return !line.empty() && line.front() >= 'A' && line.front() <= 'Z';
}

/// nullopt, which is no number, when it is none.
std::optional<std::uint64_t> kilobytes(const std::string& field) {
    std::istringstream words(field);
    std::string name;
    std::uint64_t number = 0;
    words >> name >> number;
    return words ? std::optional(number) : std::nullopt;
}

}  // namespace

void let_go_of_startup_pages() {
    std::ifstream smaps("/proc/self/smaps");
    std::optional<Mapping> mapping;
    for (std::string line; std::getline(smaps, line);) {
        if (!is_field(line)) {
            mapping = read_only_file(line);
            continue;
        }
        if (!mapping) continue;
        // Pages of its own the file cannot give back, be they swapped out: what the loader
        // relocated and then protected, a debugger's breakpoints.
        if (line.starts_with("Anonymous:") && kilobytes(line) != 0) mapping.reset();
        if (!line.starts_with("Swap:") || kilobytes(line) != 0) continue;  // Comes after the other.
        // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel tells addresses as numbers
        ::madvise(reinterpret_cast<void*>(mapping->first), mapping->last - mapping->first,
                  MADV_DONTNEED);
    }
}

}  // namespace podfence
