// What the CNI plugin and the agent tell each other of a pod's sandbox, and keep of it.
#include "controller/attachment_store.hpp"

#include <filesystem>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <sys/stat.h>

#include "test/support/builders.hpp"
#include "test/support/http.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

Attachment example(const std::string& container) {
    return {.key = {.network = "cbr0", .container = container, .interface = "eth0"},
            .pod = name("shop/db-0"),
            .uid = "5a1c",
            .netns = "/var/run/netns/cni-1",
            .host_interfaces = {"cni0", "veth12ab"},
            .addresses = {ip("10.0.0.1"), ip("fd00::1")},
            .since_ms = 1'772'600'767'123};
}

std::string problem_of(const std::string& text) {
    std::string problem = "of before";
    CHECK_FALSE(decode_attachment(boost::json::parse(text), problem));
    return problem;
}

}  // namespace

TEST_CASE("an attachment is read back as it was written", "[attachment]") {
    std::string problem;
    const auto text = boost::json::serialize(encode(example("c1")));
    CHECK(decode_attachment(boost::json::parse(text), problem) == example("c1"));
    CHECK(problem.empty());
    CHECK(decode_attachment_key(boost::json::parse(text), problem) == example("c1").key);
}

TEST_CASE("what is no attachment is refused with what is wrong", "[attachment]") {
    const std::string good = boost::json::serialize(encode(example("c1")));
    const auto with = [&](const char* member, boost::json::value value) {
        auto object = boost::json::parse(good).as_object();
        object[member] = std::move(value);
        return problem_of(boost::json::serialize(object));
    };
    CHECK(problem_of("[]") == "it is no JSON object");
    CHECK(with("network", "a/b") == "network is no name of a network");
    CHECK(with("container", "../../etc/passwd") == "container is no container's ID");
    CHECK(with("container", nullptr) == "container is no string, or too long a one");
    CHECK(with("interface", "sixteen-chars-if") == "interface is no name of a link");
    CHECK(with("interface", "..") == "interface is no name of a link");
    CHECK(with("name", "") == "name is no name of a pod");
    CHECK(with("namespace", "a/b") == "namespace is no name of a namespace");
    CHECK(with("addresses", {"10.0.0.256"}) == "'10.0.0.256' is no address");
    CHECK(with("addresses", {7}) == "addresses holds what is no string");
    CHECK(with("addresses", boost::json::array(65, "10.0.0.1")) ==
          "addresses is no list, or too long a one");
    CHECK(with("since_ms", "now") == "since_ms is no number");
    CHECK(with("uid", boost::json::string(5000, 'x')) == "uid is no string, or too long a one");
}

TEST_CASE("attachments are kept in files that come and go whole", "[attachment]") {
    const TemporaryDirectory directory;
    const auto store = AttachmentStore::beside(directory.path() + "/run/podfence/podfence.sock");
    CHECK(store.directory() == directory.path() + "/run/podfence/cni");
    CHECK(store.load().attachments.empty());
    CHECK(store.load().problems.empty());
    CHECK(store.remove(example("c1").key) == std::nullopt);

    Attachment newer = example("c1");
    newer.since_ms += 1;
    REQUIRE(store.save(newer) == std::nullopt);
    REQUIRE(store.save(example("c2")) == std::nullopt);
    struct stat status {};
    REQUIRE(::stat(store.directory().c_str(), &status) == 0);
    CHECK((status.st_mode & 07777U) == 0700);
    CHECK(store.load().attachments == std::vector{example("c2"), newer});

    newer.addresses.pop_back();
    REQUIRE(store.save(newer) == std::nullopt);  // In the place of the first.
    CHECK(store.load().attachments == std::vector{example("c2"), newer});
    REQUIRE(store.remove(newer.key) == std::nullopt);
    CHECK(store.load().attachments == std::vector{example("c2")});
}

TEST_CASE("files that are no attachments are told of, and the others are read", "[attachment]") {
    const TemporaryDirectory directory;
    const AttachmentStore store(directory.path() + "/cni");
    REQUIRE(store.save(example("c1")) == std::nullopt);
    write_file(store.directory() + "/torn", "{\"network\":");
    write_file(store.directory() + "/.4711", "{");  // One that is being written.
    std::filesystem::create_directory(store.directory() + "/folder");
    std::filesystem::create_symlink("/etc/passwd", store.directory() + "/link");
    const auto contents = store.load();
    CHECK(contents.attachments == std::vector{example("c1")});
    CHECK(contents.problems.size() == 3);

    write_file(directory.path() + "/file", "");
    const auto in_vain = AttachmentStore(directory.path() + "/file");
    CHECK(in_vain.save(example("c1")).has_value());
    CHECK(in_vain.load().problems.size() == 1);
}
