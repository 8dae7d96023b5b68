#include "controller/fingerprint.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <random>

#include "controller/objects.hpp"

namespace podfence {

namespace {

constexpr std::array<std::string_view, 3> kMeaningless = {"generation", "managedFields",
                                                          "resourceVersion"};

void add_tree(KeyedHash& hash, const Node& node) {
    hash.add(node.key).add(node.text).add(static_cast<std::uint64_t>(node.kind) |
                                          std::uint64_t{node.children.size()} << 8);
    for (const Node& child : node.children) add_tree(hash, child);
}

}  // namespace

KeyedHash::KeyedHash(const HashKey& key)
    : v_{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
         key[1] ^ 0x7465646279746573} {}

void KeyedHash::round() {
    v_[0] += v_[1];
    v_[1] = std::rotl(v_[1], 13) ^ v_[0];
    v_[0] = std::rotl(v_[0], 32);
    v_[2] += v_[3];
    v_[3] = std::rotl(v_[3], 16) ^ v_[2];
    v_[0] += v_[3];
    v_[3] = std::rotl(v_[3], 21) ^ v_[0];
    v_[2] += v_[1];
    v_[1] = std::rotl(v_[1], 17) ^ v_[2];
    v_[2] = std::rotl(v_[2], 32);
}

KeyedHash& KeyedHash::add(std::uint64_t word) {
    v_[3] ^= word;
    round();
    v_[0] ^= word;
    return *this;
}

KeyedHash& KeyedHash::add(std::string_view text) {
    add(std::uint64_t{text.size()});
    while (!text.empty()) {
        std::uint64_t word = 0;
        const std::size_t size = std::min(text.size(), sizeof word);
        std::memcpy(&word, text.data(), size);
        add(word);
        text.remove_prefix(size);
    }
    return *this;
}

std::uint64_t KeyedHash::value() const {
    KeyedHash end = *this;
    end.v_[2] ^= 0xff;
    for (int i = 0; i < 3; ++i) end.round();
    return end.v_[0] ^ end.v_[1] ^ end.v_[2] ^ end.v_[3];
}

std::uint32_t hash_of(const nft::Address& address) {
    static const HashKey secret = [] {
        std::random_device random;
        const auto word = [&] { return std::uint64_t{random()} << 32 | random(); };
        return HashKey{word(), word()};
    }();
    std::array<std::uint64_t, 2> words{};
    std::memcpy(words.data(), address.bytes().data(), sizeof words);
    // Families apart: 0.0.0.0 and :: have the same bytes.
    KeyedHash hash(secret);
    hash.add(words[0]).add(words[1]).add(std::uint64_t{address.size()});
    return static_cast<std::uint32_t>(hash.value());
}

std::uint64_t fingerprint(const Node& object, const HashKey& key) {
    KeyedHash hash(key);
    for (const Node& part : object.children) {
        // The items of a list have neither.
        if (part.key == "apiVersion" || part.key == "kind") continue;
        if (part.key != "metadata") {
            add_tree(hash, part);
            continue;
        }
        for (const Node& member : part.children) {
            if (member.key == "annotations") {
                // Of these only one means anything; leases and the like change all the time.
                if (const Node* extra = member.find(kExtraAddresses)) add_tree(hash, *extra);
                continue;
            }
            if (std::find(kMeaningless.begin(), kMeaningless.end(), member.key) ==
                kMeaningless.end()) {
                add_tree(hash, member);
            }
        }
    }
    return hash.value();
}

}  // namespace podfence
