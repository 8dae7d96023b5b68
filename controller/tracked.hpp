#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "nft/error.hpp"
#include "nft/ruleset.hpp"

namespace podfence {

/// A map that knows what it was at the last `mark`, at the price of what changed since.
template <class Key, class Value>
class Tracked {
  public:
    const std::map<Key, Value>& now() const { return now_; }

    void put(const Key& key, Value value) {
        const auto [entry, added] = now_.try_emplace(key);
        if (!added && entry->second == value) return;
        remember(key, added ? std::nullopt : std::optional(std::move(entry->second)));
        entry->second = std::move(value);
    }
    /// There must be one.
    void erase(const Key& key) {
        const auto entry = now_.find(key);
        PODFENCE_CHECK(entry != now_.end());
        remember(key, std::move(entry->second));
        now_.erase(entry);
    }

    /// Calls `changed(key, before, now)`, by key, for what is not what it was; nullptr where there
    /// was or is none.
    template <class Changed>
    void changes(Changed changed) const {
        for (const auto& [key, before] : before_) {
            const auto entry = now_.find(key);
            const Value* now = entry == now_.end() ? nullptr : &entry->second;
            const Value* old = before ? &*before : nullptr;
            if (now == nullptr ? old == nullptr : old != nullptr && *old == *now) continue;
            changed(key, old, now);
        }
    }
    /// All of it as it was.
    std::map<Key, Value> before() const {
        auto result = now_;
        for (const auto& [key, value] : before_) {
            if (value) {
                result.insert_or_assign(key, *value);
            } else {
                result.erase(key);
            }
        }
        return result;
    }
    void mark() { before_.clear(); }

  private:
    void remember(const Key& key, std::optional<Value> before) {
        before_.try_emplace(key, std::move(before));
    }

    std::map<Key, Value> now_;
    std::map<Key, std::optional<Value>> before_;
};

inline std::size_t items_in(const nft::Chain& chain) {
    return chain.rules.size();
}
inline std::size_t items_in(const nft::Map& map) {
    return map.entries.size();
}
inline std::size_t items_in(const nft::Set& set) {
    return set.elements.size();
}

/// Parts of the table by name, each kept as long as somebody uses it. Whoever puts a part under a
/// name that is in use means the same thing: the last who puts it is right.
template <class Value>
class SharedParts {
  public:
    const std::map<std::string, Value>& now() const { return parts_.now(); }
    /// Rules, entries or elements of all parts together.
    std::size_t items() const { return items_; }
    void use(const std::string& name, Value value) {
        if (const auto known = now().find(name); known != now().end()) {
            items_ -= items_in(known->second);
        }
        items_ += items_in(value);
        parts_.put(name, std::move(value));
        ++users_[name];
    }
    void release(const std::string& name) {
        const auto users = users_.find(name);
        PODFENCE_CHECK(users != users_.end());
        if (--users->second > 0) return;
        users_.erase(users);
        items_ -= items_in(now().at(name));
        parts_.erase(name);
    }
    /// Adds what changed since it was told last.
    void tell(std::map<std::string, Value>& before, std::map<std::string, Value>& now) {
        parts_.changes([&](const std::string& name, const Value* old, const Value* part) {
            if (old != nullptr) before.emplace(name, *old);
            if (part != nullptr) now.emplace(name, *part);
        });
        parts_.mark();
    }

  private:
    Tracked<std::string, Value> parts_;
    std::map<std::string, std::size_t> users_;
    std::size_t items_ = 0;
};

}  // namespace podfence
