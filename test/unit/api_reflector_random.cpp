#include <algorithm>
#include <set>

#include <catch2/catch.hpp>

#include "controller/reflector.hpp"
#include "test/support/api_model.hpp"
#include "test/support/api_sink.hpp"
#include "test/support/random.hpp"

using namespace podfence;
using namespace podfence::test;
using namespace std::chrono_literals;

namespace {

/// What the sink believes, as the model has it.
std::map<std::string, std::string> believed(const RecordingSink& sink) {
    std::map<std::string, std::string> pods;
    for (const auto& [name, object] : sink.of(Kind::pod)) {
        pods[name.name] = std::get<Pod>(object).labels->at("v").substr(1);
    }
    return pods;
}

struct Run {
    explicit Run(std::uint64_t seed) : reflector(Kind::pod, sink, {.seed = seed}) {}

    std::string ask() {
        auto step = reflector.next(now);
        while (const auto* wait = std::get_if<Reflector::Wait>(&step)) {
            now = wait->until;
            step = reflector.next(now);
        }
        return std::get<Reflector::Ask>(step).target;
    }
    void broken() {
        reflector.fail(now, {.cause = Trouble::Cause::unreachable, .message = "broken"});
    }
    /// Follows the model, without any fault, until it knows everything.
    void catch_up(const ApiModel& model) {
        for (int i = 0; i < 50; ++i) {
            const std::string target = ask();
            const auto answer = model.answer(target);
            reflector.respond(now, answer.code, {});
            if (!reflector.feed(now, answer.body)) continue;
            const bool quiet = reflector.status().listed &&
                               reflector.status().state == KindStatus::State::watching &&
                               answer.code == 200 && target.find("watch=true") != target.npos;
            now += 10s;
            reflector.finish(now);
            if (quiet) return;
        }
        FAIL("does not settle");
    }

    RecordingSink sink;
    Reflector reflector;
    Reflector::Time now{1000s};
};

ApiModel small_model(bool watch_list) {
    ApiModel model;
    model.watch_list = watch_list;
    model.page_size = 2;
    for (const char* name : {"a", "b", "c"}) model.put(name, "1");
    return model;
}

}  // namespace

TEST_CASE("api reflector: every answer may come in any two pieces, or break off anywhere") {
    const bool watch_list = GENERATE(true, false);
    const bool breaks = GENERATE(true, false);
    ApiModel model = small_model(watch_list);
    // Question by question from the start: initial events or pages, then changes.
    for (std::size_t question = 0; question < (watch_list ? 2 : 3); ++question) {
        std::size_t length = 1;
        for (std::size_t cut = 0; cut < length; ++cut) {
            ApiModel world = model;
            Run run(1);
            for (std::size_t i = 0;; ++i) {
                std::string target = run.ask();
                auto answer = world.answer(target);
                if (answer.code != 200) {
                    run.reflector.respond(run.now, answer.code, {});
                    REQUIRE(run.reflector.feed(run.now, answer.body));
                    run.reflector.finish(run.now);
                    target = run.ask();
                    answer = world.answer(target);
                }
                if (i == question) {
                    length = answer.body.size();
                    run.reflector.respond(run.now, 200, {});
                    REQUIRE(run.reflector.feed(run.now, answer.body.substr(0, cut)));
                    if (breaks) {
                        run.broken();
                    } else {
                        REQUIRE(run.reflector.feed(run.now, answer.body.substr(cut)));
                        run.reflector.finish(run.now);
                    }
                    break;
                }
                run.reflector.respond(run.now, 200, {});
                REQUIRE(run.reflector.feed(run.now, answer.body));
                run.reflector.finish(run.now);
                world.put("f", "2");
                world.put("a", "3");
                if (world.pods().contains("b")) world.remove("b");
            }
            run.catch_up(world);
            CAPTURE(question, cut, run.sink.take());
            REQUIRE(believed(run.sink) == world.pods());
            REQUIRE(run.sink.redundant == 0);
        }
        CHECK(length > 300);
    }
}

namespace {

/// A reflector and a server between which everything goes wrong that can.
class Chaos {
  public:
    explicit Chaos(std::uint64_t seed) : random_(seed), run_(seed) {
        model_.watch_list = random_.percent(50);
    }

    void operator()() {
        for (int step = 0; step < 60; ++step) {
            change();
            question();
            check();
        }
        run_.catch_up(model_);
        CAPTURE(run_.sink.take());
        REQUIRE(believed(run_.sink) == model_.pods());
        check();
    }

  private:
    void change() {
        for (std::size_t n = random_.below(4); n > 0; --n) {
            const std::string name(1, static_cast<char>('a' + random_.below(12)));
            if (model_.pods().contains(name) && random_.percent(50)) {
                model_.remove(name);
                removed_.insert(name);
            } else {
                model_.put(name, std::to_string(random_.below(3)));
            }
        }
        if (random_.percent(20)) model_.compact();
    }

    void question() {
        const std::string target = run_.ask();
        if (random_.percent(15)) return run_.broken();
        auto answer = model_.answer(target);
        if (random_.percent(15)) {
            answer.code = random_.pick(std::vector<unsigned>{401, 403, 410, 429, 500, 503, 504});
            answer.body = api_status(static_cast<int>(answer.code), "Chaos");
        }
        if (answer.code == 200 && target.find("watch=true") != target.npos) spoil(answer.body);
        run_.reflector.respond(run_.now, answer.code, {});
        std::size_t end = answer.body.size();
        const bool breaks = random_.percent(30);
        if (breaks) end = random_.below(end + 1);
        for (std::size_t at = 0; at < end;) {
            const std::size_t size = random_.between(1, end - at);
            if (!run_.reflector.feed(run_.now, answer.body.substr(at, size))) return;
            at += size;
        }
        run_.now += std::chrono::seconds(random_.below(20));
        if (breaks) return run_.broken();
        run_.reflector.finish(run_.now);
    }

    /// Duplicates, bookmarks, errors and garbage among the events.
    void spoil(std::string& body) {
        std::vector<std::string> lines;
        for (std::size_t at = 0; at < body.size();) {
            const std::size_t end = body.find('\n', at) + 1;
            lines.push_back(body.substr(at, end - at));
            at = end;
        }
        body.clear();
        for (const std::string& line : lines) {
            body += line;
            if (random_.percent(10)) body += line;
            if (random_.percent(3)) body += api_event("ERROR", api_status(410, "Expired"));
            if (random_.percent(3)) body += api_event("ERROR", api_status(500, "InternalError"));
            if (random_.percent(3)) body += "\n\n";
            if (random_.percent(2)) body += "}";
        }
    }

    /// At every moment: nothing is told twice, and nothing is removed that never went.
    void check() {
        CAPTURE(run_.sink.log);
        REQUIRE(run_.sink.redundant == 0);
        for (const std::string& line : run_.sink.log) {
            constexpr std::string_view kRemove = "remove Pod shop/";
            if (line.starts_with(kRemove)) REQUIRE(removed_.contains(line.substr(kRemove.size())));
        }
        REQUIRE(run_.reflector.status().objects == run_.sink.of(Kind::pod).size());
    }

    Random random_;
    Run run_;
    ApiModel model_{};
    std::set<std::string> removed_{};
};

}  // namespace

TEST_CASE("api reflector: whatever goes wrong, it ends with the truth and tells only differences") {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        Chaos chaos(seed);
        chaos();
    }
}

TEST_CASE("api reflector: known objects are a set, with fingerprints") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        KnownObjects known({seed, 1});
        std::map<ObjectName, std::uint64_t> reference;
        std::set<ObjectName> seen;
        for (int i = 0; i < 3000; ++i) {
            const ObjectName name{.ns = std::string(random.below(4), 'n'),
                                  .name = std::to_string(random.below(i < 2000 ? 400 : 20))};
            const std::uint64_t print = random.below(3);
            if (random.percent(60)) {
                const auto found = reference.find(name);
                const bool news = found == reference.end() || found->second != print;
                REQUIRE(known.note(name, print) == news);
                reference[name] = print;
                seen.insert(name);
            } else {
                REQUIRE(known.forget(name) == (reference.erase(name) > 0));
            }
            if (i % 500 == 0) {
                known.begin_list();
                seen.clear();
            }
            if (i % 500 == 499) {
                std::vector<ObjectName> gone;
                for (const auto& [other, value] : reference) {
                    if (!seen.contains(other)) gone.push_back(other);
                }
                REQUIRE(known.sweep() == gone);
                for (const ObjectName& other : gone) reference.erase(other);
            }
            REQUIRE(known.size() == reference.size());
        }
    }
}
