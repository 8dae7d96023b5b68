#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "controller/exec_plugin.hpp"
#include "controller/tls.hpp"

namespace podfence {

/// What all connections to one API server share: who we are, and limits. Credentials are read
/// again for every request, since files are replaced when they are rotated.
class ApiClient {
  public:
    struct Options {
        std::string user_agent = "podfence";
        std::chrono::milliseconds connect{10'000};  ///< For each address of the server.
        std::chrono::milliseconds handshake{10'000};
        std::chrono::milliseconds answer{60'000};  ///< Until its head; lists take their time.
        std::chrono::milliseconds body{30'000};    ///< From one piece of a body to the next.
        /// The same in a watch. API servers send a bookmark a minute, so that longer silence means
        /// a connection that is only half there; asking again costs little.
        std::chrono::milliseconds watch{150'000};
        std::chrono::milliseconds plugin{60'000};
        /// TCP's own signs of life: after so long without any, every so often; and how long sent
        /// data may stay unacknowledged, or probes unanswered.
        std::chrono::seconds keepalive_idle{15};
        std::chrono::seconds keepalive_every{5};
        std::chrono::milliseconds unacknowledged{30'000};
    };
    ApiClient(boost::asio::any_io_executor executor, ClusterAccess access, Options options);

    const boost::asio::any_io_executor& executor() const { return executor_; }
    const ClusterAccess& access() const { return access_; }
    const Options& options() const { return options_; }

    /// Reads files; runs the plugin when what it gave has expired. Errors: credentials.
    boost::asio::awaitable<Sourced<Credentials>> credentials();
    /// The server refused them: what the plugin gave is not used again.
    void refused() { plugged_.reset(); }
    /// Of a refusal, for a person.
    Trouble refusal(const Credentials& credentials) const;
    /// The context for these credentials, the last one if they have not changed.
    Sourced<std::shared_ptr<boost::asio::ssl::context>> context(const Credentials& credentials);

  private:
    boost::asio::awaitable<Sourced<void>> run_plugin(std::string ca);

    boost::asio::any_io_executor executor_;
    ClusterAccess access_;
    Options options_;
    std::optional<ExecCredential> plugged_{};
    bool plugin_runs_ = false;
    boost::asio::steady_timer plugin_done_;  ///< Cancelled when a run of the plugin ends.
    std::shared_ptr<boost::asio::ssl::context> context_{};
    Credentials context_of_{};
};

/// One connection to the API server, made when it is needed and kept from one request to the next.
/// One request at a time. All errors are Troubles that say what was being done.
class ApiConnection {
  public:
    explicit ApiConnection(std::shared_ptr<ApiClient> client);

    struct Head {
        unsigned status = 0;
        std::optional<std::chrono::seconds> retry_after{};
    };
    /// Asks for `target` and waits for the head of the answer; 401 is an error. `watch`: the body
    /// may be silent for long.
    boost::asio::awaitable<Sourced<Head>> get(std::string target, bool watch);
    /// Likewise, with JSON. It may arrive twice when a connection breaks.
    boost::asio::awaitable<Sourced<Head>> post(std::string target, std::string body);
    /// The next piece of the body as soon as there is one, valid until the next call; empty: the
    /// body is complete, and the connection may serve the next request.
    boost::asio::awaitable<Sourced<std::string_view>> read();
    /// Gives the connection up; whatever is being waited for ends with an error.
    void close();

  private:
    struct Wire;
    struct Question {
        std::string target{};
        std::string body{};  ///< Empty: GET.
    };

    boost::asio::awaitable<Sourced<Head>> ask(Question question);
    boost::asio::awaitable<Sourced<void>> connect(Credentials credentials);
    boost::asio::awaitable<Sourced<void>> reach(std::shared_ptr<Wire> wire);
    boost::asio::awaitable<boost::system::error_code> exchange(std::shared_ptr<Wire> wire,
                                                               Question question,
                                                               std::string token);
    Trouble broken(const boost::system::error_code& ec, std::string_view doing,
                   std::chrono::milliseconds waited) const;

    std::shared_ptr<ApiClient> client_;
    std::shared_ptr<Wire> wire_{};  ///< Null: not connected.
    bool watch_ = false;
};

}  // namespace podfence
