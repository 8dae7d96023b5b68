#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "test/support/input.hpp"

using namespace podfence;
using namespace podfence::test;
namespace fs = std::filesystem;

namespace {

/// A directory of its own, removed with all that is in it.
class TempDir {
  public:
    TempDir() {
        std::string pattern = (fs::temp_directory_path() / "podfence-input-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    ~TempDir() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;

    std::string path(const std::string& name = "") const {
        return name.empty() ? path_ : path_ + "/" + name;
    }
    std::string write(const std::string& name, const std::string& text) const {
        fs::create_directories(fs::path(path(name)).parent_path());
        std::ofstream(path(name)) << text;
        return path(name);
    }

  private:
    std::string path_;
};

std::string ns_doc(const std::string& name) {
    return "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}\n";
}

std::string names(const Loaded& loaded) {
    std::string text;
    for (const auto& [name, ns] : loaded.cluster.namespaces()) text += name + " ";
    return text;
}

}  // namespace

TEST_CASE("input: a directory is read recursively, in name order, manifests only") {
    const TempDir dir;
    dir.write("b.yaml", ns_doc("b"));
    dir.write("a.yml", ns_doc("a"));
    dir.write("sub/c.json", R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"c"}})");
    dir.write("readme.txt", "kind: [}");
    dir.write(".hidden.yaml", "kind: [}");
    dir.write("b.yaml~", "kind: [}");
    dir.write("#b.yaml", "kind: [}");
    dir.write(".git/x.yaml", "kind: [}");
    dir.write("comments.yaml", "# nothing\n");
    dir.write("z.yaml", ns_doc("a"));
    const Loaded loaded = load_manifests({dir.path() + "/"});
    CAPTURE(all_problems(loaded));
    CHECK(names(loaded) == "a b c ");
    REQUIRE(loaded.problems.size() == 1);  // the order shows in which of the two is in force
    CHECK(loaded.problems[0].pos.file == dir.path("z.yaml"));
    CHECK_FALSE(loaded.unreadable);
    CHECK(load_manifests({dir.path("sub"), dir.path("b.yaml")}).objects == 2);
}

TEST_CASE("input: links are followed, as in mounted ConfigMaps, and loops end") {
    const TempDir dir;
    dir.write("..2026/policy.yaml", ns_doc("a"));
    fs::create_symlink("..2026", dir.path("..data"));
    fs::create_symlink("..data/policy.yaml", dir.path("policy.yaml"));
    fs::create_directory(dir.path("sub"));
    fs::create_symlink("..", dir.path("sub/up"));
    fs::create_symlink("sub", dir.path("again"));
    const Loaded loaded = load_manifests({dir.path()});
    CAPTURE(all_problems(loaded));
    CHECK(loaded.problems.empty());
    CHECK(names(loaded) == "a ");

    fs::create_symlink("loop.yaml", dir.path("loop.yaml"));
    fs::create_symlink("gone.yaml", dir.path("dangling.yaml"));
    const Loaded looping = load_manifests({dir.path()});
    CAPTURE(all_problems(looping));
    CHECK(looping.unreadable);  // the loop cannot be read
    CHECK(count(looping, Severity::error) == 1);
    CHECK(count(looping, Severity::warning) == 1);  // the dangling one is as good as gone
    CHECK(names(looping) == "a ");
}

TEST_CASE("input: directories nested too deep end with an error") {
    const TempDir dir;
    std::string path = "d";
    for (int i = 0; i < 40; ++i) path += "/d";
    dir.write(path + "/a.yaml", ns_doc("a"));
    const Loaded loaded = load_manifests({dir.path()});
    CHECK(loaded.unreadable);
    CHECK(loaded.objects == 0);
}

TEST_CASE("input: what cannot be read is an error, the rest is read") {
    const TempDir dir;
    const std::string a = dir.write("a.yaml", ns_doc("a"));
    const Loaded loaded = load_manifests({dir.path("missing.yaml"), a});
    CHECK(loaded.unreadable);
    CHECK(names(loaded) == "a ");
    REQUIRE(loaded.problems.size() == 1);
    CHECK(to_string(loaded.problems[0]).find("missing.yaml: error: cannot be read: No such file") !=
          std::string::npos);
    CHECK_FALSE(load_manifests({a}).unreadable);
}

TEST_CASE("input: a named file without objects is an error, an empty directory is not") {
    const TempDir dir;
    const std::string empty = dir.write("empty.yaml", "");
    const std::string comments = dir.write("comments.yaml", "# nothing\n---\n");
    for (const std::string& path : {empty, comments, std::string("/dev/null")}) {
        CAPTURE(path);
        const Loaded loaded = load_manifests({path});
        CHECK(loaded.unreadable);
        CHECK(loaded.has_errors());
    }
    CHECK(load_manifests({dir.path()}).problems.empty());
}

TEST_CASE("input: devices without end come to one") {
    for (const char* path : {"/dev/zero", "/dev/urandom"}) {
        CAPTURE(path);
        const Loaded loaded = load_manifests({path});
        CHECK(loaded.unreadable);
        CHECK(loaded.has_errors());
    }
}

TEST_CASE("input: a FIFO that is named is read, one that is found is skipped") {
    const TempDir dir;
    const std::string fifo = dir.path("pipe.yaml");
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    {
        std::jthread writer([&] {
            std::ofstream out(fifo);  // waits for the reader
            out << ns_doc("a") << std::flush << "---\n" << ns_doc("b");
        });
        const Loaded loaded = load_manifests({fifo});
        CAPTURE(all_problems(loaded));
        CHECK(names(loaded) == "a b ");
        CHECK(loaded.problems.empty());
    }
    const auto start = std::chrono::steady_clock::now();
    const Loaded waited = load_manifests({fifo}, {.fifo_wait = std::chrono::milliseconds(50)});
    CHECK(waited.unreadable);
    CHECK(all_problems(waited).find("nobody has written to this FIFO for 50 ms") !=
          std::string::npos);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));

    const Loaded found = load_manifests({dir.path()});
    CHECK(found.problems.size() == 1);
    CHECK(count(found, Severity::warning) == 1);
    CHECK_FALSE(found.unreadable);
}

TEST_CASE("input: a writer that closes without a word is an error") {
    const TempDir dir;
    const std::string fifo = dir.path("pipe");
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    std::jthread writer([&] { std::ofstream out(fifo); });
    const Loaded loaded = load_manifests({fifo});
    CHECK(loaded.unreadable);
    CHECK(all_problems(loaded).find("holds no Kubernetes object") != std::string::npos);
}

TEST_CASE("input: a socket named like a manifest is told") {
    const TempDir dir;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = dir.path("s.yaml");
    REQUIRE(path.size() < sizeof(address.sun_path));
    path.copy(address.sun_path, path.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(fd >= 0);
    REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    CHECK(load_manifests({path}).unreadable);
    CHECK(count(load_manifests({dir.path()}), Severity::warning) == 1);
    ::close(fd);
}

TEST_CASE("input: a directory that changes underfoot never stops the reading") {
    const TempDir dir;
    for (int i = 0; i < 20; ++i) {
        dir.write("fixed-" + std::to_string(i) + ".yaml", ns_doc("fixed-" + std::to_string(i)));
    }
    std::atomic<bool> stop = false;
    std::jthread churn([&] {
        for (int i = 0; !stop; ++i) {
            const std::string name = "moving-" + std::to_string(i % 50) + ".yaml";
            dir.write(name, ns_doc("moving"));
            std::error_code ignored;
            fs::remove(dir.path("moving-" + std::to_string((i + 25) % 50) + ".yaml"), ignored);
        }
    });
    for (int round = 0; round < 50; ++round) {
        const Loaded loaded = load_manifests({dir.path()});
        CAPTURE(all_problems(loaded));
        std::size_t fixed = 0;
        for (const auto& [name, ns] : loaded.cluster.namespaces())
            fixed += name.starts_with("fixed");
        CHECK(fixed == 20);
        CHECK(count(loaded, Severity::error) == 0);
    }
    stop = true;
}

TEST_CASE("input: standard input is \"-\"") {
    const TempDir dir;
    const std::string file = dir.write("in", ns_doc("a"));
    const int saved = ::dup(STDIN_FILENO);
    const int fd = ::open(file.c_str(), O_RDONLY);
    REQUIRE(fd >= 0);
    REQUIRE(::dup2(fd, STDIN_FILENO) == STDIN_FILENO);
    const Loaded loaded = load_manifests({"-"});
    if (saved >= 0) ::dup2(saved, STDIN_FILENO);
    ::close(saved);
    ::close(fd);
    CHECK(names(loaded) == "a ");
    CHECK(loaded.cluster.namespaces().at("a").pos == SourcePos{"-", 1});
}
