#pragma once

#include <optional>
#include <string>

namespace podfence::test {

/// The calling thread in a network namespace of its own, without a name and without any ruleset,
/// until destruction. Child processes started meanwhile (nft) are in it too, and so are sockets
/// opened meanwhile, for good.
class PrivateNetns {
  public:
    /// nullopt: namespaces can be made. Else why not, for PODFENCE_SKIP.
    static std::optional<std::string> missing();

    PrivateNetns();
    PrivateNetns(const PrivateNetns&) = delete;
    PrivateNetns& operator=(const PrivateNetns&) = delete;
    ~PrivateNetns();

  private:
    int home_;
};

/// Runs a command by sh in the calling thread's namespace and gives back what it printed. Throws
/// std::runtime_error, with that output, when it does not end with status 0.
std::string run_shell(const std::string& command);

/// nullopt: the program nft is there. Else why not, for PODFENCE_SKIP.
std::optional<std::string> nft_missing();

/// Loads a ruleset as `nft -f -` does. Throws with nft's words when it is refused.
void nft_load(const std::string& text);

}  // namespace podfence::test
