#include "controller/json_document.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include <boost/json/basic_parser_impl.hpp>

#include "controller/json_sniffer.hpp"
#include "controller/limits.hpp"
#include "controller/tree_builder.hpp"

namespace podfence {

namespace {

namespace json = boost::json;

/// The builder's own limit is lower and has the better words.
constexpr std::size_t kParserDepth = 2 * limits::kDepth;

/// Of an item that may turn out to be broken; more than almost all have.
constexpr std::size_t kHeldBytes = std::size_t{64} << 10;

/// Of text that is no JSON.
constexpr std::size_t kShownBytes = 20;

/// Turns the parser's events into the builder's.
class Handler {
  public:
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);

    TreeBuilder* builder = nullptr;
    std::uint32_t line = 0;
    bool too_long = false;

    bool on_document_begin(json::error_code& /*ec*/) { return true; }
    bool on_document_end(json::error_code& /*ec*/) { return true; }
    bool on_object_begin(json::error_code& ec) {
        return check(builder->begin(line, Node::Kind::map), ec);
    }
    bool on_object_end(std::size_t /*n*/, json::error_code& ec) {
        return check(builder->end(), ec);
    }
    bool on_array_begin(json::error_code& ec) {
        return check(builder->begin(line, Node::Kind::list), ec);
    }
    bool on_array_end(std::size_t /*n*/, json::error_code& ec) { return check(builder->end(), ec); }
    bool on_key_part(json::string_view s, std::size_t /*n*/, json::error_code& ec) {
        return append(s, ec);
    }
    bool on_key(json::string_view s, std::size_t /*n*/, json::error_code& ec) {
        return append(s, ec) && scalar(Node::Kind::string, ec);
    }
    bool on_string_part(json::string_view s, std::size_t /*n*/, json::error_code& ec) {
        return append(s, ec);
    }
    bool on_string(json::string_view s, std::size_t /*n*/, json::error_code& ec) {
        return append(s, ec) && scalar(Node::Kind::string, ec);
    }
    bool on_number_part(json::string_view s, json::error_code& ec) { return append(s, ec); }
    bool on_int64(std::int64_t /*i*/, json::string_view s, json::error_code& ec) {
        return append(s, ec) && scalar(Node::Kind::integer, ec);
    }
    bool on_uint64(std::uint64_t /*u*/, json::string_view s, json::error_code& ec) {
        return append(s, ec) && scalar(Node::Kind::integer, ec);
    }
    bool on_double(double /*d*/, json::string_view s, json::error_code& ec) {
        return append(s, ec) && scalar(Node::Kind::real, ec);
    }
    bool on_bool(bool b, json::error_code& ec) {
        text_ = b ? "true" : "false";
        return scalar(Node::Kind::boolean, ec);
    }
    bool on_null(json::error_code& ec) { return scalar(Node::Kind::null, ec); }
    bool on_comment_part(json::string_view /*s*/, json::error_code& /*ec*/) { return true; }
    bool on_comment(json::string_view /*s*/, json::error_code& /*ec*/) { return true; }

  private:
    bool append(json::string_view s, json::error_code& ec) {
        too_long = text_.size() + s.size() > limits::kObjectBytes;
        if (!too_long) text_.append(s.data(), s.size());
        return check(!too_long, ec);
    }
    bool scalar(Node::Kind kind, json::error_code& ec) {
        const bool fine = builder->scalar(line, kind, text_);
        text_.clear();
        return check(fine, ec);
    }
    /// Any code stops the parser; the builder knows the reason.
    static bool check(bool fine, json::error_code& ec) {
        if (!fine) ec = json::error::exception;
        return fine;
    }

    std::string text_{};
};

json::parse_options strict_options() {
    json::parse_options options;
    options.max_depth = kParserDepth;
    return options;
}

}  // namespace

class JsonDocument::Impl {
  public:
    Impl(ObjectLoader& loader, std::uint32_t line)
        : loader_(loader),
          builder_([this](Node node) { take_item(std::move(node)); },
                   {.on_head = [&loader](const Node& head) { loader.head(head); }}),
          parser_(strict_options()),
          line_(line) {
        parser_.handler().builder = &builder_;
        loader_.begin_document(line);
    }

    std::size_t feed(std::string_view text, std::uint32_t line) {
        if (std::exchange(line_, line) != line) column_ = 0;
        std::size_t used = 0;
        while (used < text.size() && !broken_ && !parser_.done()) {
            // Only a brace can end an item: after it is known what was understood.
            const std::size_t end = std::min(text.find('}', used), text.size() - 1) + 1;
            used += parse(text.substr(used, end - used));
        }
        if (!broken_) return used;
        sniffer_->feed(text.substr(used), line);
        return text.size();
    }

    bool done() const { return !broken_ && parser_.done(); }
    bool broken() const { return broken_; }

    void finish() {
        if (!broken_ && !parser_.done()) {
            fail("it ends in the middle; it may have been cut off");
            loader_.cut_off();
        }
        if (!broken_) {
            loader_.end_document(builder_.take_root());
            return;
        }
        loader_.unreadable(failed_line_, message_, sniffer_->take());
        loader_.abandon_document();
    }

  private:
    void take_item(Node node) {
        // Only a map ends where the piece ends; behind anything else the next item has begun.
        if (node.is_map()) {
            held_.clear();
            sniffer_.reset();
        }
        loader_.item(std::move(node));
    }

    /// Parses a piece of one line; gives how much belonged to the document.
    std::size_t parse(std::string_view piece) {
        hold(piece);
        parser_.handler().line = line_;
        json::error_code ec;
        const std::size_t used = parser_.write_some(true, piece.data(), piece.size(), ec);
        column_ += used;
        if (!ec) return used;
        const std::string_view rest = piece.substr(used, kShownBytes);
        const std::string_view shown = rest.substr(0, rest.find_first_of("\r\n"));
        fail(ec.message() + " in column " + std::to_string(column_ + 1) + ", at " +
             (shown.empty() ? "the line's end" : quoted(shown)));
        return piece.size();
    }

    /// Keeps what will have to be searched if the item it belongs to turns out to be broken. Of a
    /// large one, which hardly ever comes, it is searched at once.
    void hold(std::string_view piece) {
        if (sniffer_) {
            sniffer_->feed(piece, line_);
            return;
        }
        if (held_.empty()) held_line_ = line_;
        held_ += piece;
        if (held_.size() > kHeldBytes) sniff_held();
    }

    void sniff_held() {
        sniffer_.emplace();
        sniffer_->feed(held_, held_line_);
        held_.clear();
    }

    void fail(const std::string& reason) {
        broken_ = true;
        failed_line_ = line_;
        if (!builder_.error().empty()) {
            message_ = builder_.error();
        } else if (parser_.handler().too_long) {
            message_ =
                "one text larger than " + std::to_string(limits::kObjectBytes >> 20) + " MiB";
        } else {
            message_ = "no JSON: " + reason;
        }
        if (!sniffer_) sniff_held();
    }

    ObjectLoader& loader_;
    TreeBuilder builder_;
    json::basic_parser<Handler> parser_;
    std::string held_{};  ///< Since the last complete item, when there is no sniffer.
    std::uint32_t held_line_ = 0;
    std::optional<JsonSniffer> sniffer_{};
    std::uint32_t line_;
    std::size_t column_ = 0;  ///< Bytes of the line that are parsed.
    bool broken_ = false;
    std::uint32_t failed_line_ = 0;
    std::string message_{};
};

JsonDocument::JsonDocument(ObjectLoader& loader, std::uint32_t line)
    : impl_(std::make_unique<Impl>(loader, line)) {}
JsonDocument::~JsonDocument() = default;

std::size_t JsonDocument::feed(std::string_view text, std::uint32_t line) {
    return impl_->feed(text, line);
}
bool JsonDocument::done() const {
    return impl_->done();
}
bool JsonDocument::broken() const {
    return impl_->broken();
}
void JsonDocument::finish() {
    impl_->finish();
}

}  // namespace podfence
