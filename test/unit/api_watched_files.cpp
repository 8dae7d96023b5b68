#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "controller/watch_dir.hpp"
#include "test/support/api_sink.hpp"

using namespace podfence;
using namespace podfence::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

std::string ns_doc(const std::string& name, const std::string& label = "a") {
    return "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + ", labels: {l: " + label +
           "}}\n";
}

/// A directory that is followed, with a clock of its own; what the kernel would tell is told by
/// hand.
struct Rig {
    Rig() {
        dir = (fs::temp_directory_path() / "podfence-watch-XXXXXX").string();
        REQUIRE(::mkdtemp(dir.data()) != nullptr);
    }
    ~Rig() {
        std::error_code ignored;
        fs::remove_all(dir, ignored);
    }
    Rig(const Rig&) = delete;
    Rig& operator=(const Rig&) = delete;

    std::string path(const std::string& name) const { return dir + '/' + name; }
    void put(const std::string& name, const std::string& text) const {
        fs::create_directories(fs::path(path(name)).parent_path());
        std::ofstream(path(name)) << text;
    }
    WatchedFiles& files() {
        if (!watched) {
            watched.emplace(paths.empty() ? std::vector{dir} : paths, sink,
                            WatchedFiles::Options{});
        }
        return *watched;
    }
    /// Looks now.
    std::string sync() {
        files().scan();
        files().sync(now);
        return sink.take();
    }
    /// Looks when it is due, until nothing is.
    std::string settle() {
        while (files().due()) {
            now = std::max(now, *files().due());
            files().scan();
            files().sync(now);
        }
        return sink.take();
    }
    std::string written(const std::string& name) {
        files().written(now, path(name));
        return settle();
    }

    std::string dir;
    std::vector<std::string> paths{};
    RecordingSink sink;
    std::optional<WatchedFiles> watched{};
    WatchedFiles::Time now{1000s};
};

const std::string kListed = "listed Pod; listed Namespace; listed NetworkPolicy";

}  // namespace

TEST_CASE("api files: what there is, then exactly what changes") {
    Rig rig;
    rig.put("a.yaml", ns_doc("a") + "---\n" + ns_doc("b"));
    rig.put("sub/c.yaml", ns_doc("c"));
    rig.put("readme.txt", "no: yaml: here");
    CHECK(rig.sync() == "put Namespace a; put Namespace b; put Namespace c; " + kListed);
    CHECK(rig.sync().empty());
    rig.put("a.yaml", ns_doc("a") + "---\n" + ns_doc("b", "other"));
    CHECK(rig.written("a.yaml") == "put Namespace b");
    rig.put("sub/d.yaml", ns_doc("d"));
    CHECK(rig.written("sub/d.yaml") == "put Namespace d");
    rig.put("a.yaml", ns_doc("a"));
    CHECK(rig.written("a.yaml") == "remove Namespace b");
    CHECK(rig.sink.redundant == 0);
    CHECK(rig.files().status().kinds[index_of(Kind::ns)].objects == 3);
}

TEST_CASE("api files: a burst is read once it is over, or after a while") {
    Rig rig;
    rig.sync();
    rig.files().touched(rig.now);
    CHECK(rig.files().due() == rig.now + 50ms);
    const auto start = rig.now;
    for (int i = 0; i < 100; ++i) {
        rig.now += 20ms;
        rig.files().touched(rig.now);
    }
    CHECK(rig.files().due() == start + 500ms);
}

TEST_CASE("api files: a file that stops being YAML keeps what it held, and is reported") {
    Rig rig;
    rig.put("a.yaml", ns_doc("a"));
    rig.sync();
    rig.put("a.yaml", "apiVersion: v1\nkind: [");
    CHECK(rig.written("a.yaml") ==
          "problems 1; trouble Pod input; trouble Namespace input; trouble NetworkPolicy input");
    CHECK(rig.sink.input_problems.at(0).pos.file == rig.path("a.yaml"));
    CHECK(rig.sink.input_problems.at(0).remedy.find("last held") != std::string::npos);
    CHECK(rig.sink.of(Kind::ns).size() == 1);
    rig.put("b.yaml", ns_doc("b"));
    CHECK(rig.written("b.yaml") == "put Namespace b");  // the others go on
    rig.put("a.yaml", ns_doc("a", "new"));
    CHECK(rig.written("a.yaml") ==
          "put Namespace a; problems 0; recovered Pod; recovered Namespace; recovered "
          "NetworkPolicy");
    CHECK(rig.sink.redundant == 0);
}

TEST_CASE("api files: a file that never was YAML fails closed") {
    Rig rig;
    rig.put("a.yaml",
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
            "metadata: {name: p, namespace: shop}\nspec: {podSelector: {]\n");
    const std::string told = rig.sync();
    CHECK(told.find("put NetworkPolicy shop/") == 0);
    const auto& policy = std::get<NetworkPolicy>(rig.sink.of(Kind::policy).begin()->second);
    CHECK(policy.ingress);
    CHECK(policy.egress);
    CHECK(policy.ingress_rules.empty());
}

TEST_CASE("api files: an object in error comes with its problems, and alone") {
    Rig rig;
    rig.put("p.yaml",
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
            "metadata: {name: p, namespace: shop}\n"
            "spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: x}}]}]}\n---\n" +
                ns_doc("shop"));
    CHECK(rig.sync() == "put Namespace shop; put NetworkPolicy shop/p; " + kListed);
    CHECK(rig.sink.object_problems.at("NetworkPolicy shop/p").size() == 1);
    CHECK(rig.sink.object_problems.at("Namespace shop").empty());
}

TEST_CASE("api files: a file that is being written counts as it was") {
    Rig rig;
    rig.put("a.yaml", ns_doc("a") + "---\n" + ns_doc("b"));
    rig.sync();
    rig.put("a.yaml", ns_doc("a"));  // and there will be more
    rig.files().writing(rig.now, rig.path("a.yaml"));
    rig.files().touched(rig.now);
    rig.now += 60ms;
    CHECK(rig.sync().empty());
    rig.put("a.yaml", ns_doc("a") + "---\n" + ns_doc("c"));
    CHECK(rig.written("a.yaml") == "put Namespace c; remove Namespace b");

    // Whoever keeps it open for ever is not waited for.
    rig.put("a.yaml", ns_doc("a"));
    rig.files().writing(rig.now, rig.path("a.yaml"));
    const auto start = rig.now;
    CHECK(rig.settle() == "remove Namespace c");
    CHECK(rig.now - start == 5s);
}

TEST_CASE("api files: editors that save by renaming open nothing meanwhile") {
    Rig rig;
    rig.put("a.yaml", ns_doc("a"));
    rig.sync();
    fs::rename(rig.path("a.yaml"), rig.path("a.yaml~"));
    rig.files().touched(rig.now);
    rig.now += 100ms;
    CHECK(rig.sync().empty());
    rig.put("a.yaml", ns_doc("a", "new"));
    CHECK(rig.written("a.yaml") == "put Namespace a");

    rig.put(".a.yaml.tmp", ns_doc("a", "newer"));
    fs::rename(rig.path(".a.yaml.tmp"), rig.path("a.yaml"));
    CHECK(rig.written("a.yaml") == "put Namespace a");

    fs::remove(rig.path("a.yaml"));
    const auto start = rig.now;
    rig.files().touched(rig.now);
    CHECK(rig.settle() == "remove Namespace a");
    CHECK(rig.now - start >= 300ms);
    CHECK_FALSE(rig.files().due());
}

TEST_CASE("api files: mounted ConfigMaps change as a whole") {
    Rig rig;
    rig.put("..1/a.yaml", ns_doc("a"));
    rig.put("..1/b.yaml", ns_doc("b"));
    fs::create_symlink("..1", rig.path("..data"));
    fs::create_symlink("..data/a.yaml", rig.path("a.yaml"));
    fs::create_symlink("..data/b.yaml", rig.path("b.yaml"));
    CHECK(rig.sync() == "put Namespace a; put Namespace b; " + kListed);
    CHECK(rig.files().scan().contains(rig.path("..1")));  // links may lead to what is written to
    rig.put("..2/a.yaml", ns_doc("a", "new"));
    fs::create_symlink("..2", rig.path("..data_tmp"));
    fs::rename(rig.path("..data_tmp"), rig.path("..data"));
    fs::remove_all(rig.path("..1"));
    rig.files().touched(rig.now);
    CHECK(rig.settle().starts_with("put Namespace a; "));
    CHECK(rig.sink.of(Kind::ns).size() == 1);  // its link dangles now
}

TEST_CASE("api files: what the operator named and is gone stays in force") {
    Rig rig;
    rig.put("a.yaml", ns_doc("a"));
    rig.paths = {rig.path("a.yaml")};
    CHECK(rig.sync() == "put Namespace a; " + kListed);
    fs::remove(rig.path("a.yaml"));
    rig.files().touched(rig.now);
    CHECK(rig.settle().find("trouble Namespace input") != std::string::npos);
    rig.now += 1h;
    rig.sync();
    CHECK(rig.sink.of(Kind::ns).size() == 1);
    rig.put("a.yaml", "");  // an empty one is a mistake, too
    rig.written("a.yaml");
    CHECK(rig.sink.of(Kind::ns).size() == 1);
    rig.put("a.yaml", ns_doc("b"));
    CHECK(rig.written("a.yaml").starts_with("put Namespace b; remove Namespace a; problems 0; "));
}

TEST_CASE("api files: nothing is concluded from what cannot be read at the start") {
    Rig rig;
    rig.put("sub/a.yaml", ns_doc("a"));
    rig.paths = {rig.path("sub"), rig.path("missing.yaml")};
    CHECK(rig.sync().find("listed") == std::string::npos);
    CHECK(rig.sink.of(Kind::ns).size() == 1);
    rig.put("missing.yaml", ns_doc("b"));
    CHECK(rig.written("missing.yaml").find("listed Namespace") != std::string::npos);
}

TEST_CASE("api files: of an object in two files the last is in force, and comes back") {
    Rig rig;
    rig.put("a.yaml", ns_doc("a", "one"));
    rig.put("b.yaml", ns_doc("a", "two"));
    rig.sync();
    CHECK(rig.sink.get<Namespace>(Kind::ns, {"", "a"}).labels.at("l") == "two");
    CHECK(rig.sink.object_problems.at("Namespace a").size() == 1);
    fs::remove(rig.path("b.yaml"));
    rig.files().touched(rig.now);
    CHECK(rig.settle() == "put Namespace a");
    CHECK(rig.sink.get<Namespace>(Kind::ns, {"", "a"}).labels.at("l") == "one");
}

TEST_CASE("api files: after an overrun everything is read again") {
    Rig rig;
    rig.put("a.yaml", ns_doc("a", "one"));
    rig.sync();
    const auto time = fs::last_write_time(rig.path("a.yaml"));
    rig.put("a.yaml", ns_doc("a", "two"));
    fs::last_write_time(rig.path("a.yaml"), time);
    rig.files().lost_track(rig.now);
    CHECK(rig.settle() == "put Namespace a");
}
