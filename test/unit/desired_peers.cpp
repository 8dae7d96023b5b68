// What happens to peers of local pods, and what that costs the kernel.
#include <algorithm>
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

/// Operations that are not about elements of a set.
bool only_elements(const DesiredWatch& watch) {
    return std::ranges::all_of(watch.last().ops, [](const nft::Op& op) {
        return std::holds_alternative<nft::AddElements>(op) ||
               std::holds_alternative<nft::DeleteElements>(op);
    });
}

/// A pod of another node that shop/db lets in.
Pod api(std::string_view name, std::string_view address) {
    return pod(name, address).labels("app=api").node("n2");
}

/// shop/db, on this node, lets in pods of its namespace with app=api.
struct Shop : DesiredWatch {
    Shop() : DesiredWatch({.node = "n1"}) {
        apply(ns("shop", "team=a"));
        apply(pod("shop/db", "10.0.0.1").labels("app=db"));
        apply(policy("shop/db").pods("app=db").ingress(rule().peer(pods("app=api")).port(5432)));
        changes(*this);
    }
};

}  // namespace

TEST_CASE("A pod of another node costs one element", "[desired]") {
    Shop shop;
    shop.apply(api("shop/api", "10.0.0.2"));
    const auto added = changes(shop);
    CHECK(shop.last().ops.size() == 1);
    CHECK(has(added, "add element"));
    CHECK(has(added, "10.0.0.2"));
    shop.apply(PodGone{name("shop/api")});
    const auto removed = changes(shop);
    CHECK(shop.last().ops.size() == 1);
    CHECK(has(removed, "delete element"));
}

TEST_CASE("A pod that no policy asks for costs nothing", "[desired]") {
    Shop shop;
    shop.apply(pod("shop/web", "10.0.0.3").labels("app=web").node("n2"));
    shop.apply(api("else/api", "10.0.0.4"));
    CHECK(changes(shop).empty());
}

TEST_CASE("What comes and goes unseen folds to nothing", "[desired]") {
    Shop shop;
    shop.apply(api("shop/api", "10.0.0.2"));
    shop.apply(pod("shop/new", "10.0.0.9").labels("app=db"));
    shop.apply(PodGone{name("shop/new")});
    shop.apply(PodGone{name("shop/api")});
    CHECK(changes(shop).empty());
}

TEST_CASE("Of two claims to an address the newer one counts, then the other", "[desired]") {
    Shop shop;
    shop.apply(Pod(pod("shop/old", "10.0.0.2").labels("app=api").node("n2").created(1)));
    changes(shop);
    shop.apply(Pod(pod("shop/web", "10.0.0.2").labels("app=web").node("n2").created(2)));
    CHECK(has(changes(shop), "delete element"));
    shop.apply(PodGone{name("shop/web")});  // N56
    CHECK(has(changes(shop), "add element"));
    // Between two pods of this node: isolated, then not, in one look.
    shop.apply(Pod(pod("shop/web", "10.0.0.1").labels("app=web").created(9)));
    CHECK(has(changes(shop), "10.0.0.1"));
    shop.apply(PodGone{name("shop/web")});
    CHECK(has(changes(shop), "10.0.0.1"));
}

TEST_CASE("Only pods that live on the pod network are peers", "[desired]") {
    Shop shop;
    shop.apply(Pod(pod("shop/api", "10.0.0.2").labels("app=api").node("n2").deleting()));
    CHECK(has(changes(shop), "10.0.0.2"));  // N53
    shop.apply(
        Pod(pod("shop/api", "10.0.0.2").labels("app=api").node("n2").phase(PodPhase::succeeded)));
    CHECK(has(changes(shop), "delete element"));  // N52
    shop.apply(Pod(pod("shop/api").labels("app=api").node("n2").host_network()));
    CHECK(changes(shop).empty());  // N57
}

TEST_CASE("A pod that changes its node is a peer as before, and judged here no more", "[desired]") {
    Shop shop;
    shop.apply(api("shop/api", "10.0.0.2"));
    changes(shop);
    shop.apply(Pod(pod("shop/api", "10.0.0.2").labels("app=api").node("n3")));
    CHECK(changes(shop).empty());
    shop.apply(Pod(pod("shop/db", "10.0.0.1").labels("app=db").node("n2")));
    CHECK(has(changes(shop), "delete chain"));
}

TEST_CASE("Of a namespace that was not seen nothing is known but its name", "[desired]") {
    Shop shop;
    shop.apply(policy("shop/db").pods("app=db").ingress(
        rule().peer(namespaces("team notin (b)")).port(5432)));
    changes(shop);
    shop.apply(api("late/api", "10.0.0.2"));
    CHECK(changes(shop).empty());  // N29
    shop.apply(ns("late"));
    CHECK(has(changes(shop), "10.0.0.2"));
    CHECK(only_elements(shop));
    shop.apply(ns("late", "team=b"));
    CHECK(has(changes(shop), "delete element"));
    shop.apply(NamespaceGone{"late"});
    CHECK(changes(shop).empty());
}

TEST_CASE("A set that outgrows its capacity is another set, and back", "[desired]") {
    Shop shop;
    for (int i = 0; i < 128; ++i) {
        shop.apply(api("shop/api-" + std::to_string(i), "10.0.1." + std::to_string(i)));
    }
    changes(shop);
    CHECK(only_elements(shop));
    shop.apply(api("shop/one-more", "10.0.2.1"));
    const auto grown = changes(shop);
    CHECK(has(grown, "add set"));
    CHECK(has(grown, "-v4-x1024"));
    CHECK(has(grown, "delete set"));
    shop.apply(PodGone{name("shop/one-more")});
    CHECK(has(changes(shop), "delete set"));
}

TEST_CASE("Named ports follow the pods that have them", "[desired]") {
    Shop shop;
    shop.apply(policy("shop/out").pods("app=db").egress(rule().peer(pods("app=api")).port("http")));
    shop.apply(policy("shop/all").pods("app=db").egress(rule().port("web")));
    shop.apply(
        policy("shop/block").pods("app=db").egress(rule().peer(block("10.0.0.0/24")).port("http")));
    changes(shop);
    shop.apply(Pod(pod("shop/api", "10.0.0.2").labels("app=api").node("n2").port("http", 80)));
    CHECK(has(changes(shop), ". tcp . 80"));
    // Two names for one number, and two targets for one pod: still one element.
    shop.apply(Pod(
        pod("shop/api", "10.0.0.2").labels("app=api").node("n2").port("http", 80).port("web", 80)));
    CHECK(changes(shop).empty());
    shop.apply(Pod(
        pod("shop/api", "10.0.0.2").labels("app=api").node("n2").port("http", 81).port("web", 80)));
    CHECK(has(changes(shop), ". tcp . 81"));
    shop.apply(Pod(pod("shop/far", "10.9.9.9").labels("app=x").node("n2").port("http", 80)));
    CHECK(changes(shop).empty());
}
