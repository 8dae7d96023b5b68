#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "test/support/lab_netns.hpp"

namespace podfence::lab {

struct HttpRequest {
    std::string method = "GET";
    std::string target;
    std::string body = {};
    std::string content_type = "application/json";
    std::string bearer = {};  ///< Token; "": none.
};
struct HttpResponse {
    int status = 0;
    std::string body;
};

/// The tests' own HTTP client, which shares no line with the agent's: one connection that is opened
/// when needed, one request at a time.
class Http {
  public:
    /// `ca_file`: whom to trust; "": plain HTTP. Connects from inside `ns`, which must live on.
    Http(const NetNs& ns, std::string address, std::uint16_t port, std::string ca_file = {});
    /// The same from where the caller is.
    Http(std::string address, std::uint16_t port, std::string ca_file = {});
    Http(Http&&) noexcept;
    ~Http();

    /// nullopt: no answer within the time, or the connection broke; `error()` says why. Nothing is
    /// ever sent twice.
    std::optional<HttpResponse> ask(const HttpRequest& request,
                                    std::chrono::milliseconds timeout = std::chrono::seconds(10));
    const std::string& error() const { return error_; }

  private:
    class Connection;

    const NetNs* ns_ = nullptr;
    std::string address_;
    std::uint16_t port_;
    std::string ca_file_;
    std::string error_;
    std::unique_ptr<Connection> connection_;
};

}  // namespace podfence::lab
