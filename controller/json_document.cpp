#include "controller/json_document.hpp"

#include <string>
#include <utility>

#include <boost/json/basic_parser_impl.hpp>

#include "controller/limits.hpp"
#include "controller/tree_builder.hpp"

namespace podfence {

namespace {

namespace json = boost::json;

/// What fields below a dropped one may nest; the builder's own limit is lower.
constexpr std::size_t kParserDepth = 2 * limits::kDepth;

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
        return check(builder->scalar(line, kind, std::exchange(text_, {})), ec);
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
          builder_([&loader](Node node) { loader.item(std::move(node)); },
                   {.on_head = [&loader](const Node& head) { loader.head(head); }}),
          parser_(strict_options()) {
        parser_.handler().builder = &builder_;
        loader_.begin_document(line);
    }

    std::size_t feed(std::string_view text, std::uint32_t line) {
        last_line_ = line;
        if (broken_) {
            sniffer_.feed(text, line);
            return text.size();
        }
        parser_.handler().line = line;
        json::error_code ec;
        const std::size_t used = parser_.write_some(true, text.data(), text.size(), ec);
        if (ec) {
            fail(line, ec.message());
            sniffer_.feed(text, line);
            return text.size();
        }
        return used;
    }

    bool done() const { return !broken_ && parser_.done(); }
    bool broken() const { return broken_; }

    void finish() {
        if (!broken_ && !parser_.done()) {
            fail(last_line_, "it ends in the middle; it may have been cut off");
        }
        if (!broken_) {
            loader_.end_document(builder_.take_root());
            return;
        }
        auto policies = sniffer_.take();
        add_partial(policies);
        loader_.unreadable(failed_line_, message_, policies);
        loader_.abandon_document();
    }

  private:
    void fail(std::uint32_t line, const std::string& reason) {
        broken_ = true;
        failed_line_ = line;
        if (!builder_.error().empty()) {
            message_ = builder_.error();
        } else if (parser_.handler().too_long) {
            message_ =
                "one text larger than " + std::to_string(limits::kObjectBytes >> 20) + " MiB";
        } else {
            message_ = "no JSON: " + reason;
        }
    }

    /// The object in which the text broke off, as far as it was read.
    void add_partial(std::vector<SniffedPolicy>& policies) {
        const Node partial = builder_.take_partial();
        const std::string_view kind = partial.string_at("kind");
        const bool grouped = partial.string_at("apiVersion").starts_with("networking.k8s.io/");
        const Node* metadata = partial.find("metadata");
        SniffedPolicy policy{.line = partial.line};
        if (metadata != nullptr) policy = sniff_metadata(*metadata);
        // The line that broke was searched as well.
        if (!policies.empty() && policies.front().line == failed_line_) return;
        if (kind == "NetworkPolicy" || (kind.empty() && grouped)) {
            policies.insert(policies.begin(), policy);
        }
    }

    ObjectLoader& loader_;
    TreeBuilder builder_;
    json::basic_parser<Handler> parser_;
    JsonSniffer sniffer_{};
    bool broken_ = false;
    std::uint32_t last_line_ = 0;
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
