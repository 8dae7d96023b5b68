#include "controller/kubernetes_source.hpp"

#include <exception>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controller/notice_poster.hpp"
#include "controller/reflector.hpp"
#include "controller/unsure_pods.hpp"
#include "nft/error.hpp"

namespace podfence {

namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

/// One kind: a reflector, and the connection it talks on.
struct Follower {
    Follower(const std::shared_ptr<ApiClient>& client, Kind kind, Sink& sink,
             Reflector::Options options)
        : reflector(kind, sink, std::move(options)),
          connection(client),
          timer(client->executor()) {}

    Reflector reflector;
    ApiConnection connection;
    asio::steady_timer timer;
    bool stopped = false;
};

/// The answer to a question, from its head to its end.
asio::awaitable<void> hear(std::shared_ptr<Follower> self, ApiConnection::Head head) {
    self->reflector.respond(Clock::now(), head.status, head.retry_after);
    while (true) {
        const auto piece = co_await self->connection.read();
        if (self->stopped) co_return;
        if (!piece) {
            self->reflector.fail(Clock::now(), piece.error());
            co_return;
        }
        if (piece->empty()) {
            self->reflector.finish(Clock::now());
            co_return;
        }
        if (!self->reflector.feed(Clock::now(), *piece)) {
            self->connection.close();
            co_return;
        }
    }
}

asio::awaitable<void> follow(std::shared_ptr<Follower> self) {
    while (!self->stopped) {
        const auto step = self->reflector.next(Clock::now());
        if (const auto* wait = std::get_if<Reflector::Wait>(&step)) {
            self->timer.expires_at(wait->until);
            co_await self->timer.async_wait(asio::as_tuple(asio::use_awaitable));
            continue;
        }
        const auto& ask = std::get<Reflector::Ask>(step);
        const auto head = co_await self->connection.get(ask.target, ask.watch);
        if (self->stopped) co_return;
        if (head) {
            co_await hear(self, *head);
        } else {
            self->reflector.fail(Clock::now(), head.error());
        }
    }
}

class KubernetesSource final : public Source {
  public:
    KubernetesSource(asio::io_context& io, ClusterAccess access, Sink& sink,
                     KubernetesOptions options)
        : io_(io), origin_(url_of(access) + " (" + access.origin + ')'), sink_(sink) {
        const auto client = std::make_shared<ApiClient>(io.get_executor(), std::move(access),
                                                        std::move(options.client));
        std::mt19937_64 seeds(options.seed);
        std::random_device system;
        for (const Kind kind : kKinds) {
            const std::uint64_t chance = std::uint64_t{system()} << 32 | system();
            Reflector::Options reflector{.seed = options.seed == 0 ? chance : seeds(),
                                         .backoff = options.backoff,
                                         .watch_list = options.watch_list};
            if (kind == Kind::pod && !options.finished_pods) {
                reflector.field_selector = "status.phase!=Succeeded,status.phase!=Failed";
            }
            followers_.push_back(
                std::make_shared<Follower>(client, kind, sink_, std::move(reflector)));
        }
        options.notices.seed = options.seed == 0 ? system() : seeds();
        poster_.emplace(io, client, sink_, std::move(options.notices));
    }
    ~KubernetesSource() override { KubernetesSource::stop(); }
    KubernetesSource(const KubernetesSource&) = delete;
    KubernetesSource& operator=(const KubernetesSource&) = delete;

    void start() override {
        PODFENCE_CHECK(!std::exchange(started_, true));
        for (const auto& follower : followers_) {
            // What is thrown here is no I/O error: those are values. Let it end the program.
            asio::co_spawn(io_, follow(follower), [](const std::exception_ptr& thrown) {
                if (thrown) std::rethrow_exception(thrown);
            });
        }
        poster_->start();
    }

    void stop() override {
        for (const auto& follower : followers_) {
            follower->stopped = true;
            follower->connection.close();
            follower->timer.cancel();
        }
        poster_->stop();
    }

    void notify(const Notice& notice) override { poster_->add(notice); }
    void withdraw(const ObjectName& policy) override { poster_->withdraw(policy); }

    SourceStatus status() const override {
        SourceStatus status{.origin = origin_};
        for (const Kind kind : kKinds) {
            const Follower& follower = *followers_[index_of(kind)];
            KindStatus& of_kind = status.kinds[index_of(kind)];
            of_kind = follower.reflector.status();
            if (follower.stopped || !started_) of_kind.state = KindStatus::State::stopped;
        }
        return status;
    }

  private:
    asio::io_context& io_;
    std::string origin_;
    UnsurePods sink_;
    std::vector<std::shared_ptr<Follower>> followers_{};
    std::optional<NoticePoster> poster_{};
    bool started_ = false;
};

}  // namespace

std::unique_ptr<Source> make_kubernetes_source(asio::io_context& io, ClusterAccess access,
                                               Sink& sink, KubernetesOptions options) {
    return std::make_unique<KubernetesSource>(io, std::move(access), sink, std::move(options));
}

}  // namespace podfence
