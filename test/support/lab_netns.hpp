#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "test/support/lab_fd.hpp"

namespace podfence::lab {

/// The calling thread's stay in another network namespace; it returns on destruction. Sockets keep
/// the namespace they were opened in, and child processes inherit the thread's.
class Stay {
  public:
    explicit Stay(int netns_fd);
    Stay(const Stay&) = delete;
    Stay& operator=(const Stay&) = delete;
    ~Stay();

  private:
    UniqueFd home_;
};

/// A network namespace bound to /run/netns/NAME, so that `ip netns` and CNI plugins find it.
/// Destroying the object takes the name away; the namespace goes with its last socket.
class NetNs {
  public:
    static NetNs create(const std::string& name);
    /// One that somebody else made and owns.
    static NetNs open(const std::string& name);
    NetNs(NetNs&&) noexcept = default;
    NetNs& operator=(NetNs&&) noexcept = default;
    ~NetNs();

    const std::string& name() const { return name_; }
    std::string path() const;
    int fd() const { return fd_.get(); }
    [[nodiscard]] Stay enter() const { return Stay(fd_.get()); }

  private:
    NetNs(std::string name, UniqueFd fd, bool owned)
        : name_(std::move(name)), fd_(std::move(fd)), owned_(owned) {}

    std::string name_;
    UniqueFd fd_;
    bool owned_ = false;
};

/// Writes /proc/sys/`key` (slashes) of the calling thread's network namespace.
void set_sysctl(std::string_view key, std::string_view value);
/// Sets IFF_UP on the loopback interface of the calling thread's network namespace.
void raise_loopback();

/// A claim on the names `pflab-ID-...`: a locked directory below /run/pflab that says the lab is
/// alive. A killed owner loses the lock with its life, and the next claim sweeps what it left.
class Claim {
  public:
    Claim();
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;
    ~Claim();

    /// "pflab-ID-" + suffix
    std::string name(std::string_view suffix) const;
    /// /run/pflab/ID, for the lab's files; removed with the claim.
    const std::string& directory() const { return directory_; }
    const std::string& id() const { return id_; }

    /// Removes the names of owners that are gone; returns their ids.
    static std::vector<std::string> sweep();

  private:
    std::string id_;
    std::string directory_;
    UniqueFd lock_;
};

}  // namespace podfence::lab
