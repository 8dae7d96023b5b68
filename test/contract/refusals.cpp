#include "test/contract/subject.hpp"
#include "test/contract/values.hpp"

// A batch takes effect as a whole or not at all, and says which operation was refused and why.

using namespace podfence;
using namespace podfence::nft;
using namespace podfence::test;

namespace {

AddElements add_pods(std::vector<Element> elements) {
    return {.set = "pods", .spec = hash4(16), .elements = std::move(elements)};
}

/// A good operation, the bad one, a good one: nothing of it may be seen.
void check_refused(Kernel& kernel, const Op& bad, Errc code) {
    const Table before = small_table();
    make(kernel, before);
    const Batch batch{
        .table = before.id,
        .ops = {add_pods({one(100)}), AddChain{.name = "good", .base = {}, .comment = {}}, bad,
                add_pods({one(101)})}};
    const Error error = refusal(kernel, batch);
    INFO(to_string(error));
    CHECK(error.code == code);
    CHECK(error.op == std::optional<std::size_t>(2));
    CHECK(error.os_error != 0);
    check_holds(kernel, before);
}

}  // namespace

CONTRACT_TEST("EEXIST: a table that is there") {
    check_refused(kernel, AddTable{}, Errc::exists);
}
CONTRACT_TEST("EEXIST: a set that is there") {
    check_refused(kernel, AddSet{.name = "pods", .spec = hash4(16)}, Errc::exists);
}
CONTRACT_TEST("EEXIST: a chain that is there") {
    check_refused(kernel, AddChain{.name = "class", .base = {}, .comment = {}}, Errc::exists);
}
CONTRACT_TEST("EEXIST: an element that is there") {
    check_refused(kernel, add_pods({one(0x0a000001)}), Errc::exists);
}
CONTRACT_TEST("EEXIST: a map entry with another verdict") {
    check_refused(kernel,
                  AddEntries{.map = "dispatch",
                             .spec = hash4(),
                             .entries = {{.key = one(0x0a000005), .verdict = go_to("deny")}}},
                  Errc::exists);
}
CONTRACT_TEST("ENOENT: elements of a set that is gone") {
    check_refused(kernel, AddElements{.set = "gone", .spec = hash4(), .elements = {one(1)}},
                  Errc::not_found);
}
CONTRACT_TEST("ENOENT: deleting an element that is gone") {
    check_refused(kernel, DeleteElements{.set = "pods", .spec = hash4(16), .elements = {one(1)}},
                  Errc::not_found);
}
CONTRACT_TEST("ENOENT: deleting a set that is gone") {
    check_refused(kernel, DeleteSet{.name = "gone"}, Errc::not_found);
}
CONTRACT_TEST("ENOENT: deleting a chain that is gone") {
    check_refused(kernel, DeleteChain{.name = "gone"}, Errc::not_found);
}
CONTRACT_TEST("ENOENT: flushing a chain that is gone") {
    check_refused(kernel, FlushChain{.name = "gone"}, Errc::not_found);
}
CONTRACT_TEST("ENOENT: a rule that looks up a set that is gone") {
    check_refused(
        kernel,
        AddRules{.chain = "class",
                 .rules = {{.statements = {MatchSet{{Field::ip_saddr}, "gone"}, Verdict{}}}}},
        Errc::not_found);
}
CONTRACT_TEST("ENOENT: an entry that goes to a chain that is gone") {
    check_refused(kernel,
                  AddEntries{.map = "dispatch",
                             .spec = hash4(),
                             .entries = {{.key = one(9), .verdict = go_to("gone")}}},
                  Errc::not_found);
}
CONTRACT_TEST("EBUSY: deleting a set that a rule looks up") {
    check_refused(kernel, DeleteSet{.name = "pods"}, Errc::busy);
}
CONTRACT_TEST("EBUSY: deleting a chain that a map goes to") {
    check_refused(kernel, DeleteChain{.name = "class"}, Errc::busy);
}
CONTRACT_TEST("ENFILE: a set of declared size is full") {
    std::vector<Element> elements;
    for (std::uint32_t i = 0; i < 20; ++i) elements.push_back(one(i));
    check_refused(kernel, add_pods(elements), Errc::full);
}
CONTRACT_TEST("a loop of chains is rejected") {
    check_refused(kernel, AddRules{.chain = "deny", .rules = {{.statements = {go_to("class")}}}},
                  Errc::rejected);
}
CONTRACT_TEST("an opaque statement is rejected: it is never written") {
    check_refused(kernel, AddRules{.chain = "class", .rules = {{.statements = {Opaque{"x"}}}}},
                  Errc::rejected);
}
CONTRACT_TEST("overlapping ranges are refused") {
    Table table;
    table.sets["blocks"] = {.spec = tree4(), .elements = {range(10, 20)}};
    make(kernel, table);
    for (const Element& overlapping : {range(5, 10), range(15, 17), range(20, 30), range(5, 30)}) {
        const Error error = refusal(
            kernel,
            {.table = table.id,
             .ops = {AddElements{.set = "blocks", .spec = tree4(), .elements = {overlapping}}}});
        INFO(to_string(error));
        CHECK(error.op == std::optional<std::size_t>(0));
        check_holds(kernel, table);
    }
}

CONTRACT_TEST("of many refused operations the first is reported") {
    const Table before = small_table();
    make(kernel, before);
    Batch batch{.table = before.id};
    batch.ops.emplace_back(add_pods({one(100)}));
    for (int i = 0; i < 3000; ++i) batch.ops.emplace_back(DeleteChain{.name = "gone"});
    batch.ops.emplace_back(AddTable{});
    const Error error = refusal(kernel, batch);
    CHECK(error.code == Errc::not_found);
    CHECK(error.op == std::optional<std::size_t>(1));
    check_holds(kernel, before);
}

CONTRACT_TEST("an operation on a table that is not there is not_found") {
    const Error error =
        refusal(kernel, {.table = {}, .ops = {AddChain{.name = "c", .base = {}, .comment = {}}}});
    CHECK(error.code == Errc::not_found);
    CHECK(error.op == std::optional<std::size_t>(0));
}

CONTRACT_TEST("a commit for another generation is stale and changes nothing") {
    make(kernel, small_table());
    const std::uint32_t seen = dump(kernel).generation;
    const Batch first{.table = {}, .ops = {add_pods({one(50)})}};
    commit(kernel, first, seen);
    const Error error = refusal(kernel, {.table = {}, .ops = {add_pods({one(51)})}}, seen);
    CHECK(error.code == Errc::stale);
    CHECK_FALSE(error.op.has_value());
    Table want = small_table();
    want.sets["pods"].elements = {one(50), one(0x0a000001), one(0x0a000002)};
    check_holds(kernel, want);
}

CONTRACT_TEST("a refused batch leaves the generation as it was") {
    make(kernel, small_table());
    const std::uint32_t before = dump(kernel).generation;
    refusal(kernel, {.table = {}, .ops = {DeleteSet{.name = "gone"}}});
    CHECK(dump(kernel).generation == before);
}

CONTRACT_TEST("an empty batch and operations on no elements are nothing") {
    make(kernel, small_table());
    const std::uint32_t before = dump(kernel).generation;
    commit(kernel, {.table = {}});
    CHECK(dump(kernel).generation == before);
}
