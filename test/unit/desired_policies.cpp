// Policies and local pods come, go and change.
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "test/support/builders.hpp"
#include "test/support/desired_watch.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

NetworkPolicy allow_api(std::string_view name, std::uint16_t port) {
    return policy(name).pods("app=db").ingress(rule().peer(pods("app=api")).port(port));
}

struct Shop : DesiredWatch {
    Shop() : DesiredWatch({.node = "n1"}) {
        apply(pod("shop/db", "10.0.0.1").labels("app=db"));
        apply(pod("shop/api", "10.0.0.2").labels("app=api").node("n2"));
        apply(allow_api("shop/p", 5432));
        changes(*this);
    }
};

}  // namespace

TEST_CASE("A policy put again is no change, wherever it was read from", "[desired]") {
    Shop shop;
    auto again = allow_api("shop/p", 5432);
    again.pos = {.file = "else.yaml", .line = 7};
    again.ingress_rules.front().pos = {.file = "else.yaml", .line = 9};
    shop.apply(again);
    CHECK(changes(shop).empty());
}

TEST_CASE("Another port of a policy changes its map and nothing else", "[desired]") {
    Shop shop;
    shop.apply(allow_api("shop/p", 5433));
    const auto text = changes(shop);
    CHECK(shop.last().ops.size() == 2);
    CHECK(has(text, "5432"));
    CHECK(has(text, "5433"));
}

TEST_CASE("What policies share stays until the last of them goes", "[desired]") {
    Shop shop;
    shop.apply(pod("shop/db-2", "10.0.0.3").labels("app=db,other="));
    shop.apply(policy("shop/q").pods("other").ingress(rule().peer(pods("app=api")).port(1)));
    changes(shop);
    shop.apply(PolicyGone{name("shop/q")});
    CHECK(!has(changes(shop), "pods-"));
    shop.apply(PolicyGone{name("shop/p")});
    CHECK(has(changes(shop), "delete set inet podfence pods-"));
    shop.apply(allow_api("shop/p", 5432));
    CHECK(has(changes(shop), "add set inet podfence pods-"));
}

TEST_CASE("A policy that is replaced between two looks", "[desired]") {
    Shop shop;
    shop.apply(PolicyGone{name("shop/p")});
    shop.apply(allow_api("shop/p", 5432));
    CHECK(changes(shop).empty());
    shop.apply(PolicyGone{name("shop/p")});
    shop.apply(allow_api("shop/q", 5432));
    CHECK(has(changes(shop), "shop.q"));
}

TEST_CASE("A refused policy isolates and allows nothing until it is put again", "[desired]") {
    Shop shop;
    shop.apply(policy("shop/other").pods("app=db").ingress(rule().port(80)));
    const auto before = changes(shop);
    shop.refuse(name("shop/p"));
    CHECK(!changes(shop).empty());
    shop.refuse(name("shop/p"));
    CHECK(changes(shop).empty());
    shop.apply(allow_api("shop/p", 5432));
    CHECK(has(changes(shop), "5432"));
    shop.refuse(name("shop/p"));
    shop.apply(PolicyGone{name("shop/p")});
    shop.apply(PolicyGone{name("shop/other")});
    changes(shop);
    shop.refuse(name("shop/gone"));
    CHECK(changes(shop).empty());
}

TEST_CASE("Named ports on ingress put pods into classes of their own", "[desired]") {
    Shop shop;
    shop.apply(policy("shop/p").pods("app=db").ingress(rule().port("pg")));
    changes(shop);
    shop.apply(Pod(pod("shop/db", "10.0.0.1").labels("app=db").port("pg", 5432)));
    CHECK(has(changes(shop), "5432"));
    shop.apply(Pod(pod("shop/db", "10.0.0.1").labels("app=db").port("pg", 5433)));
    CHECK(has(changes(shop), "5433"));
}

TEST_CASE("More isolated pods than a dispatch map is made for", "[desired]") {
    DesiredWatch node({.node = "n1", .pod_to_node_enforced = true});
    node.apply(policy("shop/deny").ingress().egress());
    const auto add = [&](int i) {
        node.apply(pod("shop/p" + std::to_string(i),
                       "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1)));
    };
    for (int i = 0; i < 1024; ++i) add(i);
    changes(node);
    add(1024);
    const auto grown = changes(node);
    CHECK(has(grown, "add map"));
    CHECK(has(grown, "flush chain"));
    node.apply(PodGone{name("shop/p7")});
    CHECK(has(changes(node), "delete"));
}
