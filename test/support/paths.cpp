#include "test/support/paths.hpp"

// The only source that depends on where it is compiled, so that a compiler's cache may serve clones
// with all others.

namespace podfence::test {

std::string in_source_tree(const std::string& path) {
    return std::string(PODFENCE_SOURCE_DIR) + "/" + path;
}

const char* podfence_program() {
    return PODFENCE_BINARY;
}

std::string cni_program() {
    return std::string(PODFENCE_BINARY) + "-cni";
}

}  // namespace podfence::test
