#pragma once

#include <string>

namespace podfence::test {

/// `path` within the source tree that the tests were built from, absolute.
std::string in_source_tree(const std::string& path);
/// The podfence that was built with the tests, absolute.
const char* podfence_program();
/// The CNI plugin beside it.
std::string cni_program();

}  // namespace podfence::test
