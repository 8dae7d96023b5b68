#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <set>
#include <type_traits>
#include <utility>

namespace podfence {

/// A value that copies share, and equal values too where a SharedPool brought them together. Reads
/// like the value; written by edit(), which takes a copy of its own first.
template <class T>
class Shared {
  public:
    Shared() = default;  ///< An empty T; costs nothing.
    Shared(T value) {    // NOLINT(google-explicit-constructor): it stands for the value
        if (!(value == T())) value_ = std::make_shared<T>(std::move(value));
    }
    template <std::convertible_to<T> U>
        requires(!std::same_as<std::remove_cvref_t<U>, T> &&
                 !std::same_as<std::remove_cvref_t<U>, Shared>)
    Shared(U&& value) : Shared(T(std::forward<U>(value))) {}  // NOLINT
    template <class U = T>
    Shared(std::initializer_list<typename U::value_type> values) : Shared(T(values)) {}

    const T& get() const { return value_ ? *value_ : none(); }
    operator const T&() const { return get(); }  // NOLINT(google-explicit-constructor)
    const T* operator->() const { return &get(); }
    T& edit() {
        value_ = std::make_shared<T>(get());
        return *value_;
    }

    auto begin() const { return get().begin(); }
    auto end() const { return get().end(); }
    std::size_t size() const { return get().size(); }
    bool empty() const { return get().empty(); }
    template <class Key>
    auto find(const Key& key) const {
        return get().find(key);
    }

    friend bool operator==(const Shared& a, const Shared& b) {
        return a.value_ == b.value_ || a.get() == b.get();
    }
    friend bool operator==(const Shared& a, const T& b) { return a.get() == b; }
    template <std::convertible_to<T> U>
        requires(!std::same_as<U, T> && !std::same_as<U, Shared>)
    friend bool operator==(const Shared& a, const U& b) {
        return a.get() == b;
    }

  private:
    template <class>
    friend class SharedPool;

    static const T& none() {
        static const T value{};
        return value;
    }

    std::shared_ptr<T> value_{};
};

/// Brings equal values together. T has a total order. One thread at a time.
template <class T>
class SharedPool {
  public:
    void share(Shared<T>& value) {
        if (!value.value_) return;
        if (known_.size() >= sweep_at_) sweep();
        value.value_ = *known_.insert(value.value_).first;
    }
    std::size_t size() const { return known_.size(); }

  private:
    struct Less {
        bool operator()(const std::shared_ptr<T>& a, const std::shared_ptr<T>& b) const {
            return *a < *b;
        }
    };
    static constexpr std::size_t kSweepLeast = 64;

    /// Forgets what nobody else has. So rarely that it costs next to nothing a value.
    void sweep() {
        std::erase_if(known_, [](const auto& value) { return value.use_count() == 1; });
        sweep_at_ = std::max(kSweepLeast, 2 * known_.size());
    }

    std::set<std::shared_ptr<T>, Less> known_{};
    std::size_t sweep_at_ = kSweepLeast;
};

}  // namespace podfence
