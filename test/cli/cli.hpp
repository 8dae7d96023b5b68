#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "test/support/lab_process.hpp"

/// Runs of the real program, as a person or a script starts it.
namespace podfence::test {

using Arguments = std::vector<std::string>;

/// podfence with these arguments, in the calling thread's network namespace. The environment says
/// NODE_NAME=node-a.
lab::Finished run_podfence(const Arguments& arguments, std::string_view input = {},
                           const std::vector<std::string>& environment = {});

/// A shell command line in which $PODFENCE is the program and $SHOP the manifests below.
lab::Finished shell(const std::string& command);

/// What was printed on stdout, which must be one JSON value.
boost::json::value json_of(const lab::Finished& run);

/// A shop: namespaces, four pods on node-a, two on node-b, and the policies of the README.
extern const char* const kShop;

/// A file of its own directory, both removed on destruction.
class TemporaryFile {
  public:
    explicit TemporaryFile(std::string_view text, const std::string& name = "shop.yaml");
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    ~TemporaryFile();

    const std::string& path() const { return path_; }
    const std::string& directory() const { return directory_; }

  private:
    std::string directory_;
    std::string path_;
};

bool contains(std::string_view text, std::string_view part);

}  // namespace podfence::test

/// Leaves the test case as skipped where no network namespace can be made; else the rest of it runs
/// in one of its own.
#define PODFENCE_OWN_NETWORK()                                                         \
    if (const auto why_not = ::podfence::test::PrivateNetns::missing(); why_not) {     \
        PODFENCE_SKIP("no network namespace for the program under test: " + *why_not); \
    }                                                                                  \
    const ::podfence::test::PrivateNetns own_network
