// Of pods in the API server's answers only what the decoder reads is kept. Random documents, broken
// ones among them, mean the same, and are complained of in the same words, as when all is kept.
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "controller/api_stream.hpp"
#include "test/support/random.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

/// JSON in which any field may have any value, though most have one that fits.
class Documents {
  public:
    explicit Documents(std::uint64_t seed) : random_(seed) {}

    std::string event() {
        return "{\"type\":\"" + std::string(random_.pick(std::vector{"ADDED", "MODIFIED"})) +
               "\",\"object\":" + pod() + "}\n";
    }
    /// One byte is another, is gone, or is the last.
    std::string broken(std::string text) {
        const std::size_t at = random_.below(text.size());
        switch (random_.below(3)) {
            case 0:
                text[at] = random_.pick(std::string("{}[]\",:\\ x0-\x01\x80"));
                break;
            case 1:
                text.erase(at, 1);
                break;
            default:
                text.resize(at);
        }
        return text;
    }
    std::size_t piece() { return random_.between(1, 300); }

  private:
    using Value = std::string (Documents::*)();
    struct Member {
        const char* key;
        Value value;
    };

    /// Most of these, each once and in any place, and now and then some other.
    std::string map_of(const std::vector<Member>& members) {
        std::vector<std::string> texts;
        for (const Member& member : members) {
            if (random_.percent(20)) continue;
            const std::string text = random_.percent(3) ? any() : (this->*member.value)();
            const auto at = static_cast<std::ptrdiff_t>(random_.below(texts.size() + 1));
            texts.insert(texts.begin() + at, '"' + std::string(member.key) + "\":" + text);
        }
        if (random_.percent(30)) texts.push_back(R"("newField":)" + any());
        return '{' + joined(texts) + '}';
    }
    std::string list_of(Value value) {
        std::vector<std::string> texts(random_.below(3));
        for (std::string& text : texts) text = (this->*value)();
        return '[' + joined(texts) + ']';
    }
    static std::string joined(const std::vector<std::string>& texts) {
        std::string all;
        for (const std::string& text : texts) all += (all.empty() ? "" : ",") + text;
        return all;
    }

    std::string pod() {
        return map_of({{"kind", &Documents::kind},
                       {"apiVersion", &Documents::any},
                       {"metadata", &Documents::metadata},
                       {"spec", &Documents::spec},
                       {"status", &Documents::status}});
    }
    std::string metadata() {
        // Without a name there is no pod.
        std::string rest = map_of({{"namespace", &Documents::name},
                                   {"uid", &Documents::word},
                                   {"resourceVersion", &Documents::word},
                                   {"creationTimestamp", &Documents::time},
                                   {"deletionTimestamp", &Documents::time},
                                   {"labels", &Documents::labels},
                                   {"annotations", &Documents::annotations},
                                   {"managedFields", &Documents::any},
                                   {"ownerReferences", &Documents::any},
                                   {"generation", &Documents::number}});
        return rest.insert(1, "\"name\":" + name() + (rest.size() > 2 ? "," : ""));
    }
    std::string labels() { return map_of({{"app", &Documents::word}, {"tier", &Documents::word}}); }
    std::string annotations() {
        return map_of({{"podfence.io/extra-addresses", &Documents::address},
                       {"prometheus.io/scrape", &Documents::any}});
    }
    std::string spec() {
        return map_of({{"nodeName", &Documents::name},
                       {"hostNetwork", &Documents::boolean},
                       {"containers", &Documents::containers},
                       {"initContainers", &Documents::containers},
                       {"ephemeralContainers", &Documents::containers},
                       {"volumes", &Documents::any},
                       {"tolerations", &Documents::any},
                       {"dnsPolicy", &Documents::word},
                       {"hostPID", &Documents::boolean},
                       {"restartPolicy", &Documents::restart_policy},
                       {"priority", &Documents::number}});
    }
    std::string status() {
        return map_of({{"phase", &Documents::phase},
                       {"podIP", &Documents::address},
                       {"podIPs", &Documents::addresses},
                       {"hostIP", &Documents::address},
                       {"hostIPs", &Documents::addresses},
                       {"conditions", &Documents::any},
                       {"containerStatuses", &Documents::any},
                       {"startTime", &Documents::time},
                       {"qosClass", &Documents::word}});
    }
    std::string containers() { return list_of(&Documents::container); }
    std::string container() {
        return map_of({{"name", &Documents::word},
                       {"image", &Documents::word},
                       {"env", &Documents::any},
                       {"ports", &Documents::ports},
                       {"restartPolicy", &Documents::restart_policy},
                       {"resources", &Documents::any}});
    }
    std::string ports() { return list_of(&Documents::port); }
    std::string port() {
        return map_of({{"name", &Documents::name},
                       {"containerPort", &Documents::number},
                       {"protocol", &Documents::protocol},
                       {"hostPort", &Documents::number}});
    }
    std::string addresses() { return list_of(&Documents::address_item); }
    std::string address_item() { return map_of({{"ip", &Documents::address}}); }

    std::string text_of(const std::vector<const char*>& texts) {
        return '"' + std::string(random_.pick(texts)) + '"';
    }
    std::string kind() { return "\"Pod\""; }
    std::string name() { return text_of({"a", "db-0", "http", "node-1", "Not.A.Name"}); }
    std::string word() { return text_of({"x", "web", "1.27", "\\u00e4\\n\\\"", "\xc3\xa4"}); }
    std::string time() { return text_of({"2026-01-02T03:04:05Z", "yesterday"}); }
    std::string address() { return text_of({"10.0.0.1", "10.0.0.2", "fd00::1", "", "nowhere"}); }
    std::string phase() { return text_of({"Running", "Pending", "Failed", "Other"}); }
    std::string protocol() { return text_of({"TCP", "UDP", "tcp"}); }
    std::string restart_policy() { return text_of({"Always", "Never"}); }
    std::string number() { return random_.pick(std::vector{"80", "8080", "0", "65536", "1.5"}); }
    std::string boolean() { return random_.percent(50) ? "true" : "false"; }
    std::string any() {
        const std::size_t what = ++depth_ > 4 ? 3 + random_.below(4) : random_.below(7);
        std::string text;
        if (what < 2) text = map_of({{"name", &Documents::any}, {"f:a", &Documents::any}});
        if (what == 2) text = list_of(&Documents::any);
        if (what == 3) text = "null";
        if (what == 4) text = number();
        if (what == 5) text = boolean();
        if (what == 6) text = word();
        --depth_;
        return text;
    }

    Random random_;
    int depth_ = 0;
};

/// What is understood of a text.
struct Reading {
    std::vector<std::optional<Pod>> pods{};
    std::vector<std::vector<Problem>> problems{};
    std::vector<std::string> told{};  ///< Of each event, and why reading ended.
    bool complete = false;
    friend bool operator==(const Reading&, const Reading&) = default;
};

Reading read(const std::string& text, std::size_t piece, const Field& fields) {
    Reading reading;
    const auto take = [&](const ApiEvent& event) {
        auto decoded = decode_api_object(Kind::pod, event.object);
        reading.told.push_back(std::to_string(static_cast<int>(event.type)) + ' ' +
                               to_string(name_of(event.object.tree)) + ' ' +
                               resource_version_of(event.object.tree) + ' ' + event.object.cut);
        if (decoded) reading.problems.push_back(std::move(decoded->problems));
        reading.pods.push_back(decoded ? std::optional(std::get<Pod>(std::move(decoded->object)))
                                       : std::nullopt);
        return true;
    };
    ApiStream stream(take, fields);
    for (std::size_t at = 0; at < text.size(); at += piece) {
        if (!stream.feed(std::string_view(text).substr(at, piece))) break;
    }
    reading.told.push_back(stream.error());
    reading.complete = stream.complete();
    return reading;
}

}  // namespace

TEST_CASE("What is not kept of a pod means nothing, and has to be JSON all the same",
          "[property]") {
    std::size_t ports = 0;
    std::size_t addresses = 0;
    std::size_t problems = 0;
    std::size_t refused = 0;
    for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
        Documents documents(seed);
        std::string text = documents.event() + documents.event();
        if (seed % 2 == 0) text = documents.broken(text);
        const std::size_t piece = documents.piece();
        INFO("seed " << seed << "\n" << text);
        const Reading kept = read(text, piece, Field::of_event(Kind::ns));
        const Reading read_only = read(text, piece, Field::of_event(Kind::pod));
        REQUIRE(read_only.told == kept.told);
        REQUIRE(read_only.pods == kept.pods);
        REQUIRE(read_only.problems == kept.problems);
        REQUIRE(read_only == kept);
        for (const auto& pod : kept.pods) {
            ports += pod ? pod->ports.size() : 0;
            addresses += pod ? pod->addresses.size() + pod->node_addresses.size() : 0;
        }
        for (const auto& of_pod : kept.problems) problems += of_pod.size();
        refused += kept.told.back().empty() ? 0 : 1;
    }
    CHECK(ports > 300);
    CHECK(addresses > 500);
    CHECK(problems > 500);
    CHECK(refused > 500);
}
