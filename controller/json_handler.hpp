#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json/basic_parser_impl.hpp>

#include "controller/limits.hpp"
#include "controller/tree_builder.hpp"

namespace podfence {

/// For boost::json::basic_parser: turns its events into those of a TreeBuilder.
class JsonHandler {
  public:
    // Boost.JSON asks its handlers for these names.
    // NOLINTBEGIN(readability-identifier-naming)
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    // NOLINTEND(readability-identifier-naming)

    /// For the parser: the builder's own limit on depth is lower and has the better words.
    static boost::json::parse_options parse_options() {
        boost::json::parse_options options;
        options.max_depth = 2 * limits::kDepth;
        return options;
    }

    TreeBuilder* builder = nullptr;
    std::uint32_t line = 0;
    bool too_long = false;

    bool on_document_begin(boost::json::error_code& /*ec*/) { return true; }
    bool on_document_end(boost::json::error_code& /*ec*/) { return true; }
    bool on_object_begin(boost::json::error_code& ec) {
        return check(builder->begin(line, Node::Kind::map), ec);
    }
    bool on_object_end(std::size_t /*n*/, boost::json::error_code& ec) {
        return check(builder->end(), ec);
    }
    bool on_array_begin(boost::json::error_code& ec) {
        return check(builder->begin(line, Node::Kind::list), ec);
    }
    bool on_array_end(std::size_t /*n*/, boost::json::error_code& ec) {
        return check(builder->end(), ec);
    }
    bool on_key_part(boost::json::string_view s, std::size_t /*n*/, boost::json::error_code& ec) {
        return part(s, ec);
    }
    bool on_key(boost::json::string_view s, std::size_t /*n*/, boost::json::error_code& ec) {
        return end(Node::Kind::string, s, ec);
    }
    bool on_string_part(boost::json::string_view s, std::size_t /*n*/,
                        boost::json::error_code& ec) {
        return part(s, ec);
    }
    bool on_string(boost::json::string_view s, std::size_t /*n*/, boost::json::error_code& ec) {
        return end(Node::Kind::string, s, ec);
    }
    bool on_number_part(boost::json::string_view s, boost::json::error_code& ec) {
        return part(s, ec);
    }
    bool on_int64(std::int64_t /*i*/, boost::json::string_view s, boost::json::error_code& ec) {
        return end(Node::Kind::integer, s, ec);
    }
    bool on_uint64(std::uint64_t /*u*/, boost::json::string_view s, boost::json::error_code& ec) {
        return end(Node::Kind::integer, s, ec);
    }
    bool on_double(double /*d*/, boost::json::string_view s, boost::json::error_code& ec) {
        return end(Node::Kind::real, s, ec);
    }
    bool on_bool(bool b, boost::json::error_code& ec) {
        return end(Node::Kind::boolean, b ? "true" : "false", ec);
    }
    bool on_null(boost::json::error_code& ec) { return end(Node::Kind::null, "", ec); }
    bool on_comment_part(boost::json::string_view /*s*/, boost::json::error_code& /*ec*/) {
        return true;
    }
    bool on_comment(boost::json::string_view /*s*/, boost::json::error_code& /*ec*/) {
        return true;
    }

  private:
    /// Of a text that comes in several: the parser's input ends in it, or it has an escape.
    bool part(boost::json::string_view s, boost::json::error_code& ec) {
        size_ += s.size();
        too_long = size_ > limits::kObjectBytes;
        if (!too_long && !builder->skipping()) text_.append(s.data(), s.size());
        return check(!too_long, ec);
    }
    bool end(Node::Kind kind, boost::json::string_view s, boost::json::error_code& ec) {
        if (size_ == 0) return check(builder->scalar(line, kind, {s.data(), s.size()}), ec);
        if (!part(s, ec)) return false;
        const bool fine = builder->scalar(line, kind, text_);
        text_.clear();
        size_ = 0;
        return check(fine, ec);
    }
    /// Any code stops the parser; the builder knows the reason.
    static bool check(bool fine, boost::json::error_code& ec) {
        if (!fine) ec = boost::json::error::exception;
        return fine;
    }

    std::string text_{};
    std::size_t size_ = 0;  ///< Of the parts so far; of what is skipped nothing else is kept.
};

}  // namespace podfence
