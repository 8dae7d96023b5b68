#pragma once

#include <string>
#include <string_view>

#include "controller/node.hpp"
#include "controller/source.hpp"

namespace podfence {

/// The one document of a file that is written by hand. `what` it is goes into messages
/// ("kubeconfig"), `remedy` too. Errors: input, with the file and where it is known the line; also
/// when the document is no map.
Sourced<Node> read_yaml_file(const std::string& path, std::string_view what,
                             const std::string& remedy);

}  // namespace podfence
