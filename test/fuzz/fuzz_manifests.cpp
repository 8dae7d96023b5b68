// Any bytes: no crash, bounded time and memory, and three things that must always hold.
//   - where the pieces of a stream end does not show in what is read;
//   - what is left of a policy that is not sound isolates: an error never widens what is allowed;
//   - every problem has a place and words.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "controller/manifest_stream.hpp"
#include "nft/error.hpp"

using namespace podfence;

namespace {

Loaded load_in_pieces(std::string_view text, std::size_t size) {
    Loaded loaded;
    ProblemLog log;
    const LoadOptions options;
    ObjectLoader loader(loaded, log, options);
    loader.begin_source("fuzz");
    ManifestStream stream(loader);
    // The first piece is long enough for a byte order mark.
    std::size_t next = 3;
    while (!text.empty() && stream.feed(text.substr(0, next))) {
        text.remove_prefix(next < text.size() ? next : text.size());
        next = size;
    }
    stream.finish();
    loaded.unreadable = loaded.unreadable || stream.failed();
    loader.finish();
    loaded.problems = log.take();
    return loaded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const Loaded whole = load_text("fuzz", text);
    for (const Problem& problem : whole.problems) {
        PODFENCE_CHECK(!problem.message.empty() && !problem.remedy.empty());
        PODFENCE_CHECK(!to_string(problem).empty());
    }
    for (const auto& [name, policy] : whole.cluster.policies()) {
        PODFENCE_CHECK(policy.name == name && !name.name.empty());
        PODFENCE_CHECK(policy.ingress || policy.egress);
        PODFENCE_CHECK(policy.ingress || policy.ingress_rules.empty());
        PODFENCE_CHECK(policy.egress || policy.egress_rules.empty());
    }
    const Loaded pieces = load_in_pieces(text, 1 + size % 5);
    PODFENCE_CHECK(pieces.cluster == whole.cluster);
    PODFENCE_CHECK(pieces.unreadable == whole.unreadable);
    return 0;
}
