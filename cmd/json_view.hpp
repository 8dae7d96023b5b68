#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "cmd/terminal.hpp"
#include "controller/validate.hpp"

namespace podfence::cmd {

/// One part of an answer in JSON, made fit for a terminal; what is not there reads as nothing.
class View {
  public:
    explicit View(const boost::json::value* value) : value_(value) {}

    View operator[](std::string_view name) const {
        const boost::json::object* object = value_ == nullptr ? nullptr : value_->if_object();
        return View(object == nullptr ? nullptr : object->if_contains(name));
    }
    bool is_null() const { return value_ == nullptr || value_->is_null(); }
    bool is_true() const { return value_ != nullptr && value_->is_bool() && value_->get_bool(); }
    std::string text() const {
        const boost::json::string* string = value_ == nullptr ? nullptr : value_->if_string();
        return string == nullptr ? "" : printable({string->data(), string->size()});
    }
    std::int64_t number() const {
        boost::system::error_code error;
        const auto number = value_ == nullptr ? 0 : value_->to_number<std::int64_t>(error);
        return error ? 0 : number;
    }
    std::size_t count() const {
        return static_cast<std::size_t>(std::max<std::int64_t>(number(), 0));
    }
    std::optional<std::int64_t> time() const { return parse_time(text()); }
    std::vector<View> items() const {
        std::vector<View> items;
        const boost::json::array* array = value_ == nullptr ? nullptr : value_->if_array();
        if (array == nullptr) return items;
        for (const boost::json::value& item : *array) items.emplace_back(&item);
        return items;
    }
    std::vector<std::pair<std::string, View>> members() const {
        std::vector<std::pair<std::string, View>> members;
        const boost::json::object* object = value_ == nullptr ? nullptr : value_->if_object();
        if (object == nullptr) return members;
        for (const auto& member : *object) {
            members.emplace_back(printable({member.key().data(), member.key().size()}),
                                 View(&member.value()));
        }
        return members;
    }

  private:
    const boost::json::value* value_;
};

}  // namespace podfence::cmd
