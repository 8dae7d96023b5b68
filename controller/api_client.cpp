#include "controller/api_client.hpp"

#include <ctime>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controller/validate.hpp"

namespace podfence {

namespace {

namespace asio = boost::asio;

/// A credential that expires this soon is renewed before it is used.
constexpr std::int64_t kExpiryMarginSeconds = 10;

}  // namespace

ApiClient::ApiClient(asio::any_io_executor executor, ClusterAccess access, Options options)
    : executor_(std::move(executor)),
      access_(std::move(access)),
      options_(std::move(options)),
      plugin_done_(executor_, asio::steady_timer::time_point::max()) {}

asio::awaitable<Sourced<Credentials>> ApiClient::credentials() {
    Credentials now;
    const std::string whose = " of " + access_.origin;
    struct Part {
        const TextSource& source;
        const char* what;
        std::string& text;
    };
    const Part parts[] = {{access_.ca, "the CA", now.ca},
                          {access_.certificate, "the client certificate", now.certificate},
                          {access_.key, "the client key", now.key},
                          {access_.token, "the token", now.token}};
    for (const Part& part : parts) {
        auto text = read_text(part.source, part.what + whose);
        if (!text) co_return text.error();
        part.text = std::move(*text);
    }
    if (access_.exec) {
        if (auto run = co_await run_plugin(now.ca); !run) co_return run.error();
        if (!plugged_->token.empty()) now.token = plugged_->token;
        if (!plugged_->certificate.empty()) {
            now.certificate = plugged_->certificate;
            now.key = plugged_->key;
        }
    }
    now.token = std::string(trimmed(now.token));
    co_return now;
}

/// One run serves all who wait for it; when it failed they fail with it and try later.
asio::awaitable<Sourced<void>> ApiClient::run_plugin(std::string ca) {
    const auto usable = [this] {
        return plugged_ && (!plugged_->expires_s ||
                            *plugged_->expires_s > std::time(nullptr) + kExpiryMarginSeconds);
    };
    if (plugin_runs_) {
        co_await plugin_done_.async_wait(asio::as_tuple(asio::use_awaitable));
        if (usable()) co_return Sourced<void>();
    }
    if (usable()) co_return Sourced<void>();
    plugin_runs_ = true;
    auto credential = co_await run_exec_plugin(
        executor_, *access_.exec, exec_info(*access_.exec, access_, ca), options_.plugin);
    plugin_runs_ = false;
    plugin_done_.cancel();
    if (!credential) co_return credential.error();
    plugged_ = std::move(*credential);
    co_return Sourced<void>();
}

Trouble ApiClient::refusal(const Credentials& credentials) const {
    Trouble trouble{.cause = Trouble::Cause::credentials,
                    .message = "the API server at " + url_of(access_) +
                               " does not accept the credentials of " + access_.origin + " (401)"};
    if (const std::string since = expired_since(credentials.certificate); !since.empty()) {
        trouble.message += ": the client certificate expired at " + since;
        trouble.remedy = "renew it";
    } else if (access_.exec) {
        trouble.remedy = "check the plugin " + access_.exec->command + "; it is run again";
    } else if (!credentials.token.empty()) {
        trouble.remedy = access_.token.path.empty()
                             ? "write a valid token"
                             : "check the token in " + access_.token.path + "; it is read again";
    } else if (!credentials.certificate.empty()) {
        trouble.remedy = "use a client certificate of this cluster";
    } else {
        trouble.message += ": there are none";
        trouble.remedy = "give the user a token or a client certificate";
    }
    return trouble;
}

Sourced<std::shared_ptr<asio::ssl::context>> ApiClient::context(const Credentials& credentials) {
    if (context_ && context_of_.same_connection(credentials)) return context_;
    auto made = make_tls_context(credentials, access_.verify);
    if (!made) return made.error();
    context_ = std::move(*made);
    context_of_ = credentials;
    return context_;
}

}  // namespace podfence
