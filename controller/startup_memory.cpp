#include "controller/startup_memory.hpp"

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

#include <sys/mman.h>

namespace podfence {

void let_go_of_startup_code() {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        std::istringstream fields(line);
        std::uintptr_t first = 0;
        std::uintptr_t last = 0;
        char dash = 0;
        std::string access;
        std::string offset;
        std::string device;
        std::uint64_t inode = 0;
        fields >> std::hex >> first >> dash >> last >> access >> offset >> device >> std::dec >>
            inode;
        // Code of a file, which nobody writes: the file has all of it.
        if (!fields || access != "r-xp" || inode == 0) continue;
        // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel tells addresses as numbers
        ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
    }
}

}  // namespace podfence
