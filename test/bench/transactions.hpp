#pragma once

#include <vector>

namespace podfence::bench {

/// Times every transaction that is sent to nf_tables while it lives. NetlinkKernel may part what it
/// is given to commit; a transaction is one send(2), which returns when the kernel is done with it,
/// and during which everyone else waits for the kernel's lock. One at a time.
class Transactions {
  public:
    Transactions();
    Transactions(const Transactions&) = delete;
    Transactions& operator=(const Transactions&) = delete;
    ~Transactions();

    const std::vector<double>& milliseconds() const { return milliseconds_; }
    void add(double milliseconds) { milliseconds_.push_back(milliseconds); }

  private:
    std::vector<double> milliseconds_;
};

}  // namespace podfence::bench
