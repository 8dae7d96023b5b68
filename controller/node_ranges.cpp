#include "controller/node_ranges.hpp"

#include <exception>
#include <random>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>

#include "controller/api_refusal.hpp"

namespace podfence {

namespace {

namespace asio = boost::asio;
namespace json = boost::json;

/// A Node tells of all images on it; API servers take objects of 1.5 MB.
constexpr std::size_t kNodeBytesMax = std::size_t{4} << 20;
constexpr const char* kRemedy =
    "give the addresses that this node gives to its pods with --pod-cidr";

Trouble no_ranges(const std::string& node, const std::string& what) {
    return {
        .cause = Trouble::Cause::input, .message = "node " + node + " " + what, .remedy = kRemedy};
}

/// The member, through maps; nullptr: there is none.
const json::value* member(const json::value* value, const char* name) {
    const auto* object = value == nullptr ? nullptr : value->if_object();
    return object == nullptr ? nullptr : object->if_contains(name);
}

}  // namespace

Sourced<std::vector<Prefix>> read_node_ranges(std::string_view text, const std::string& node) {
    boost::system::error_code error;
    const json::value object = json::parse({text.data(), text.size()}, error);
    const json::value* spec = member(&object, "spec");
    if (error || spec == nullptr) {
        return Trouble{.cause = Trouble::Cause::protocol,
                       .message = "what came as node " + node + " is no Node",
                       .remedy = kRemedy};
    }
    json::array given;
    if (const auto* list = member(spec, "podCIDRs"); list != nullptr && list->is_array()) {
        given = list->get_array();
    } else if (const auto* one = member(spec, "podCIDR"); one != nullptr) {
        given.push_back(*one);
    }
    std::vector<Prefix> ranges;
    for (const json::value& item : given) {
        const auto* range = item.if_string();
        const auto prefix = range == nullptr ? std::nullopt : Prefix::parse(std::string(*range));
        if (!prefix || prefix->length() == 0) {
            return no_ranges(node, "has " + json::serialize(item) + " in its spec.podCIDRs");
        }
        ranges.push_back(*prefix);
    }
    if (ranges.empty()) {
        return no_ranges(node,
                         "has no spec.podCIDRs (its network plugin finds addresses by itself)");
    }
    return ranges;
}

Trouble node_refused(const std::string& node, unsigned code, const std::string& message) {
    const std::string answer = std::to_string(code) + (message.empty() ? "" : ": " + message);
    if (code == 403) {
        return {.cause = Trouble::Cause::forbidden,
                .message = "may not get node " + node + " (" + answer + ")",
                .remedy =
                    "grant get on resource \"nodes\" to this account by a ClusterRole, as "
                    "manifests/overlays/hold does, or give --pod-cidr"};
    }
    if (code == 404) {
        return {.cause = Trouble::Cause::input,
                .message = "there is no node " + node,
                .remedy = "name this node as 'kubectl get nodes' does with --node"};
    }
    return {.cause = code == 429 ? Trouble::Cause::throttled : Trouble::Cause::server_error,
            .message = "unexpected answer to get node " + node + " (" + answer + ")",
            .remedy = kRemedy};
}

struct NodeRanges::State {
    State(asio::io_context& io, ClusterAccess access, Options of)
        : options(std::move(of)),
          connection(std::make_shared<ApiClient>(io.get_executor(), std::move(access),
                                                 std::move(options.client))),
          timer(io),
          backoff(options.backoff, std::random_device()()) {}

    Options options;
    ApiConnection connection;
    asio::steady_timer timer;
    Backoff backoff;
    Listener listener{};
    bool stopped = false;
};

NodeRanges::NodeRanges(asio::io_context& io, ClusterAccess access, Options options)
    : io_(io), state_(std::make_shared<State>(io, std::move(access), std::move(options))) {}

void NodeRanges::start(Listener listener) {
    state_->listener = std::move(listener);
    asio::co_spawn(io_, run(state_), [](const std::exception_ptr& thrown) {
        if (thrown) std::rethrow_exception(thrown);
    });
}

void NodeRanges::stop() {
    state_->stopped = true;
    state_->connection.close();
    state_->timer.cancel();
}

asio::awaitable<void> NodeRanges::run(std::shared_ptr<State> state) {
    while (!state->stopped) {
        auto ranges = co_await ask(state);
        if (state->stopped) co_return;
        if (ranges) {
            state->connection.close();
            state->listener.known(*std::move(ranges));
            co_return;
        }
        state->listener.unknown(ranges.error());
        state->timer.expires_after(state->backoff.failed());
        co_await state->timer.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

asio::awaitable<Sourced<std::vector<Prefix>>> NodeRanges::ask(std::shared_ptr<State> state) {
    const std::string& node = state->options.node;
    const auto head = co_await state->connection.get("/api/v1/nodes/" + node, false);
    if (!head) co_return head.error();
    std::string body;
    while (true) {
        const auto piece = co_await state->connection.read();
        if (!piece) co_return piece.error();
        if (piece->empty()) break;
        body += *piece;
        if (body.size() > kNodeBytesMax) {
            state->connection.close();
            co_return no_ranges(node, "is too large to be read");
        }
    }
    if (head->status != 200) {
        co_return node_refused(node, head->status, read_refusal(body).message);
    }
    co_return read_node_ranges(body, node);
}

}  // namespace podfence
