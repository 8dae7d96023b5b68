#include <cerrno>
#include <string>

#include <catch2/catch.hpp>

#include "nft/fake_kernel.hpp"
#include "nft/netlink_kernel.hpp"
#include "nft/text.hpp"
#include "test/support/effort.hpp"
#include "test/support/netns.hpp"
#include "test/support/random.hpp"
#include "test/support/skip.hpp"

// The same random batches, right and wrong ones, on the kernel in memory and on the real one: both
// must take or refuse them alike, blame the same operation, and then hold the same table. Names and
// addresses are few, so that operations meet.

using namespace podfence;
using namespace podfence::nft;

namespace {

const std::uint64_t kSeeds = test::effort(16);
constexpr int kBatchesPerSeed = 60;

class BatchMaker {
  public:
    explicit BatchMaker(std::uint64_t seed) : random_(seed) {}

    /// Mostly one or two operations: a longer batch is seldom right.
    Batch make(const std::optional<Table>& have) {
        Batch batch{};
        have_ = have ? &*have : nullptr;
        if (!have && random_.percent(95)) {
            batch.ops.emplace_back(AddTable{});
            for (const char* name : {"c0", "c1", "c2"}) {
                if (random_.percent(70)) batch.ops.emplace_back(AddChain{name, {}, {}});
            }
            return batch;
        }
        const std::uint64_t count = random_.percent(60) ? 1 : 2 + random_.below(3);
        while (batch.ops.size() < count) batch.ops.push_back(random_op());
        return batch;
    }

  private:
    template <std::size_t size>
    const auto& one_of(const std::array<std::string, size>& names) {
        return names[random_.below(size)];
    }
    /// Often a name that is there.
    template <class Items>
    std::optional<std::string> known(const Items& items) {
        if (items.empty() || random_.percent(40)) return std::nullopt;
        return std::next(items.begin(), static_cast<long>(random_.below(items.size())))->first;
    }
    std::string chain() {
        if (have_ != nullptr) {
            if (auto name = known(have_->chains)) return *name;
        }
        if (random_.percent(1)) return std::string(kNameBytesMax + random_.below(2), 'x');
        return one_of(std::array<std::string, 6>{"base", "c0", "c1", "c2", "c3", "c4"});
    }
    std::string set() {
        if (have_ != nullptr) {
            if (auto name = known(have_->sets)) return *name;
        }
        return one_of(std::array<std::string, 5>{"s0", "s1", "s2", "s3", "s4"});
    }
    std::string map() {
        if (have_ != nullptr) {
            if (auto name = known(have_->maps)) return *name;
        }
        return one_of(std::array<std::string, 3>{"m0", "m1", "m2"});
    }
    std::string set_or_map() { return random_.percent(50) ? set() : map(); }

    /// The spec of what has this name; else always the same one for a name.
    SetSpec spec_of(const std::string& name) const {
        if (have_ != nullptr) {
            if (const auto set = have_->sets.find(name); set != have_->sets.end()) {
                return set->second.spec;
            }
            if (const auto map = have_->maps.find(name); map != have_->maps.end()) {
                return map->second.spec;
            }
        }
        switch (name.back() % 6) {
            case 0:
                return {.key = {FieldType::ipv4_addr}};
            case 1:
                return {.key = {FieldType::ipv4_addr}, .interval = true};
            case 2:
                return {.key = {FieldType::ipv4_addr, FieldType::inet_service}, .interval = true};
            case 3:
                return {.key = {FieldType::ipv6_addr}, .interval = true};
            case 4:
                return {.key = {FieldType::inet_service}, .size = 3};
            default:
                return {.key = {FieldType::ipv4_addr, FieldType::inet_service}, .size = 4};
        }
    }
    FieldValue value(FieldType type) {
        constexpr std::array<std::uint8_t, 8> kLow{0, 1, 2, 3, 4, 253, 254, 255};
        const std::uint8_t low = kLow[random_.below(kLow.size())];
        const std::uint8_t fill = low > 128 ? 255 : 0;
        if (type == FieldType::ipv4_addr) {
            return Address::v4((fill == 255 ? 0xffffff00U : 0U) | low);
        }
        if (type == FieldType::ipv6_addr) {
            std::array<std::uint8_t, 16> bytes{};
            bytes.fill(fill);
            bytes[15] = low;
            return Address::v6(bytes);
        }
        return static_cast<std::uint16_t>(fill << 8 | low);
    }
    Element element(const SetSpec& spec) {
        std::vector<FieldValue> first;
        std::vector<FieldValue> last;
        for (const FieldType type : spec.key) {
            first.push_back(value(type));
            last.push_back(spec.interval && random_.percent(50) ? value(type) : first.back());
            if (last.back() < first.back()) std::swap(first.back(), last.back());
        }
        Element result{.first = make_key(spec.key, first), .last = make_key(spec.key, last)};
        if (spec.interval && spec.key.size() == 1) keep_off_the_end(result);
        return result;
    }
    /// The kernel has no end for a range up to the last value, and so overlooks that another one
    /// overlaps it (the kernel in memory does not: RangeSet never makes such). One element alone
    /// may hold the last value here.
    static void keep_off_the_end(Element& element) {
        Key end;
        const std::vector<std::uint8_t> ones(element.first.bytes().size(), 0xff);
        end.append(ones, false);
        if (element.last == end) element.first = end;
    }
    /// Of what is there, or any.
    std::vector<Element> elements_to_delete(const std::string& name, const SetSpec& spec) {
        if (have_ != nullptr && have_->sets.contains(name) && random_.percent(70)) {
            return have_->sets.at(name).elements;
        }
        return elements(spec);
    }
    std::vector<MapEntry> entries_to_delete(const std::string& name, const SetSpec& spec) {
        if (have_ != nullptr && have_->maps.contains(name) && random_.percent(70)) {
            return have_->maps.at(name).entries;
        }
        return entries(spec);
    }
    std::vector<Element> elements(const SetSpec& spec) {
        std::vector<Element> result;
        for (std::uint64_t i = 1 + random_.below(2); i > 0; --i) result.push_back(element(spec));
        return result;
    }
    Verdict verdict() {
        constexpr std::array kKinds{VerdictKind::accept, VerdictKind::drop, VerdictKind::ret,
                                    VerdictKind::jump, VerdictKind::go_to};
        const VerdictKind kind = kKinds[random_.below(kKinds.size())];
        const bool named = kind == VerdictKind::jump || kind == VerdictKind::go_to;
        return {.kind = kind, .chain = named ? chain() : ""};
    }
    std::vector<MapEntry> entries(const SetSpec& spec) {
        std::vector<MapEntry> result;
        for (const Element& key : elements(spec)) result.push_back({key, verdict(), {}});
        return result;
    }
    std::vector<Field> fields(const SetSpec& spec) {
        std::vector<Field> result;
        for (const FieldType type : spec.key) {
            result.push_back(type == FieldType::ipv4_addr   ? Field::ip_saddr
                             : type == FieldType::ipv6_addr ? Field::ip6_saddr
                                                            : Field::th_dport);
        }
        return result;
    }
    std::vector<Rule> rules() {
        std::vector<Rule> result;
        for (std::uint64_t i = 1 + random_.below(2); i > 0; --i) {
            Rule rule;
            if (random_.percent(50)) {
                const std::string name = set();
                rule.statements.emplace_back(MatchSet{fields(spec_of(name)), name});
            }
            if (random_.percent(40)) {
                const std::string name = map();
                rule.statements.emplace_back(LookupVerdict{fields(spec_of(name)), name});
            } else {
                rule.statements.emplace_back(verdict());
            }
            result.push_back(std::move(rule));
        }
        return result;
    }

    Op add_set() {
        const std::string name = set();
        return AddSet{name, spec_of(name)};
    }
    Op add_map() {
        const std::string name = map();
        return AddMap{name, spec_of(name)};
    }

    Op random_op() {
        // Now and then one is taken for the other.
        const std::string a_set = random_.percent(95) ? set() : map();
        const std::string a_map = random_.percent(95) ? map() : set();
        const SetSpec set_spec = spec_of(a_set);
        const SetSpec map_spec = spec_of(a_map);
        const std::string a_chain = chain();
        const auto base = a_chain == "base" ? std::optional(BaseChain{}) : std::nullopt;
        switch (random_.below(32)) {
            case 0:
                return random_.percent(80) ? Op{AddTable{}} : Op{DeleteTable{}};
            case 1:
            case 2:
            case 3:
                return add_set();
            case 4:
            case 5:
                return add_map();
            case 6:
                return DeleteSet{set_or_map()};
            case 7:
            case 8:
            case 9:
            case 10:
            case 11:
            case 12:
                return AddElements{a_set, set_spec, elements(set_spec)};
            case 13:
                return DeleteElements{a_set, set_spec, elements_to_delete(a_set, set_spec)};
            case 14:
            case 15:
            case 16:
            case 17:
            case 18:
            case 19:
                return AddEntries{a_map, map_spec, entries(map_spec)};
            case 20:
                return DeleteEntries{a_map, map_spec, entries_to_delete(a_map, map_spec)};
            case 21:
            case 22:
            case 23:
                return AddChain{a_chain, base, {}};
            case 24:
                return FlushChain{a_chain};
            case 25:
                return DeleteChain{a_chain};
            default:
                return AddRules{a_chain, rules()};
        }
    }

    test::Random random_;
    const Table* have_ = nullptr;
};

std::string outcome(const Result<std::size_t>& result) {
    if (result) return "taken";
    const Error& error = result.error();
    return "refused at " + (error.op ? std::to_string(*error.op) : "?") + " with class " +
           std::to_string(static_cast<int>(error.code)) + ", errno " +
           std::to_string(error.os_error);
}

bool about_circles(const Error& error) {
    return error.os_error == EMLINK || error.os_error == ELOOP;
}

/// Whether this kernel refuses what leads into a circle of chains that no base chain leads to.
/// Debian's Linux 6.1 follows the verdict of a map entry when it is added, later ones look at the
/// whole when they commit. The kernel in memory does the latter; it cannot matter to who makes no
/// circles.
bool refuses_loose_circles() {
    const test::PrivateNetns netns;
    const SetSpec spec{.key = {FieldType::ipv4_addr}};
    const auto entry = [&](std::uint32_t address, const char* chain) {
        const Key key = make_key(spec.key, {{FieldValue(Address::v4(address))}});
        return AddEntries{
            "m", spec, {{{key, key}, {.kind = VerdictKind::go_to, .chain = chain}, {}}}};
    };
    const Rule look_up{.statements = {LookupVerdict{{Field::ip_saddr}, "m"}}};
    const auto kernel = NetlinkKernel::open();
    const Batch circle{
        .table = {},
        .ops = {AddTable{}, AddMap{"m", spec}, AddChain{"c", {}, {}}, AddRules{"c", {look_up}},
                AddChain{"d", {}, {}}, AddRules{"d", {look_up}}, entry(1, "d")}};
    REQUIRE((*kernel)->commit(circle, std::nullopt).has_value());
    const auto done = (*kernel)->commit({.table = {}, .ops = {entry(2, "c")}}, std::nullopt);
    return !done && about_circles(done.error());
}

}  // namespace

TEST_CASE("the kernel in memory takes, refuses and holds what the real one does") {
    if (const auto reason = test::PrivateNetns::missing()) PODFENCE_SKIP(*reason);
    const bool circles_differ = refuses_loose_circles();
    std::size_t taken = 0;
    std::size_t refused = 0;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        const test::PrivateNetns netns;
        const auto real = NetlinkKernel::open();
        REQUIRE(real.has_value());
        FakeKernel fake;
        BatchMaker maker(seed);
        auto have = fake.dump({});
        REQUIRE(have.has_value());
        for (int i = 0; i < kBatchesPerSeed; ++i) {
            const auto real_before = (*real)->dump({});
            REQUIRE(real_before.has_value());
            const Batch batch = maker.make(have->table);
            INFO("seed " << seed << ", batch " << i << "\n" << to_text(batch));
            INFO((have->table ? to_text(*have->table) : "no table"));
            const auto by_real = (*real)->commit(batch, real_before->generation);
            if (circles_differ && !by_real && about_circles(by_real.error())) continue;
            const auto by_fake = fake.commit(batch, have->generation);
            REQUIRE(outcome(by_fake) == outcome(by_real));
            (by_real ? taken : refused) += 1;

            const auto real_after = (*real)->dump({});
            const auto fake_after = fake.dump({});
            REQUIRE(real_after.has_value());
            REQUIRE(fake_after->table.has_value() == real_after->table.has_value());
            if (fake_after->table) {
                REQUIRE(to_text(*fake_after->table) == to_text(*real_after->table));
                REQUIRE(*fake_after->table == *real_after->table);
            }
            REQUIRE(fake_after->generation - have->generation ==
                    real_after->generation - real_before->generation);
            have = fake_after;
        }
    }
    INFO(taken << " taken, " << refused << " refused");
    // The comparison is worth little unless both happen often.
    CHECK(taken > kSeeds * kBatchesPerSeed / 5);
    CHECK(refused > kSeeds * kBatchesPerSeed / 5);
}

TEST_CASE("the kernel in memory takes as many jumps one after another as the real one") {
    if (const auto reason = test::PrivateNetns::missing()) PODFENCE_SKIP(*reason);
    const auto link = [](std::size_t i) { return "c" + std::to_string(i); };
    const auto jump = [](std::string to) {
        return Rule{.statements = {Verdict{.kind = VerdictKind::jump, .chain = std::move(to)}}};
    };
    for (std::size_t jumps = 13; jumps <= 18; ++jumps) {
        const test::PrivateNetns netns;
        const auto real = NetlinkKernel::open();
        REQUIRE(real.has_value());
        FakeKernel fake;
        Batch batch{.table = {}, .ops = {AddTable{}, AddChain{"base", BaseChain{}, {}}}};
        for (std::size_t i = 1; i <= jumps; ++i) batch.ops.emplace_back(AddChain{link(i), {}, {}});
        for (std::size_t i = 1; i < jumps; ++i) {
            batch.ops.emplace_back(AddRules{link(i), {jump(link(i + 1))}});
        }
        batch.ops.emplace_back(AddRules{"base", {jump(link(1))}});
        INFO(jumps << " jumps");
        const std::string by_real = outcome((*real)->commit(batch, std::nullopt));
        CHECK(outcome(fake.commit(batch, std::nullopt)) == by_real);
        CHECK((by_real == "taken") == (jumps < 16));
    }
}
