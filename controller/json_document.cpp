#include "controller/json_document.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "controller/json_handler.hpp"
#include "controller/json_sniffer.hpp"
#include "controller/limits.hpp"
#include "controller/tree_builder.hpp"

namespace podfence {

namespace {

namespace json = boost::json;

/// Of an item that may turn out to be broken; more than almost all have.
constexpr std::size_t kHeldBytes = std::size_t{64} << 10;

/// Of text that is no JSON.
constexpr std::size_t kShownBytes = 20;

}  // namespace

class JsonDocument::Impl {
  public:
    Impl(ObjectLoader& loader, std::uint32_t line)
        : loader_(loader),
          builder_([this](Node node) { take_item(std::move(node)); },
                   {.on_head = [&loader](const Node& head) { loader.head(head); }}),
          parser_(JsonHandler::parse_options()),
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
    json::basic_parser<JsonHandler> parser_;
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
