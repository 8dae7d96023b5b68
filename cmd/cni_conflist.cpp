#include "cmd/cni_conflist.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include <boost/json.hpp>

namespace podfence::cmd {

namespace {

namespace json = boost::json;

/// A part of the text, from the first character to behind the last.
struct Span {
    std::size_t begin = 0;
    std::size_t end = 0;
};

/// Where a value of text that is known to be JSON ends, and where its parts are.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}

    std::size_t skip_space(std::size_t at) const {
        return std::min(text_.find_first_not_of(" \t\r\n", at), text_.size());
    }
    std::size_t end_of_string(std::size_t at) const {
        for (++at; text_[at] != '"'; ++at) {
            if (text_[at] == '\\') ++at;
        }
        return at + 1;
    }
    std::size_t end_of_value(std::size_t at) const {
        if (text_[at] == '"') return end_of_string(at);
        if (text_[at] != '{' && text_[at] != '[') {
            return std::min(text_.find_first_of(",]} \t\r\n", at), text_.size());
        }
        std::size_t depth = 0;
        do {
            const char c = text_[at];
            if (c == '"') {
                at = end_of_string(at);
                continue;
            }
            if (c == '{' || c == '[') ++depth;
            if (c == '}' || c == ']') --depth;
            ++at;
        } while (depth > 0);
        return at;
    }
    /// The values of the object or list that begins here; of an object with their keys before them.
    std::vector<Span> parts(std::size_t at) const {
        std::vector<Span> found;
        for (at = skip_space(at + 1); text_[at] != '}' && text_[at] != ']'; at = skip_space(at)) {
            if (text_[at] == ',' || text_[at] == ':') {
                ++at;
                continue;
            }
            const std::size_t end = end_of_value(at);
            found.push_back({at, end});
            at = end;
        }
        return found;
    }
    std::string_view text(Span span) const {
        return text_.substr(span.begin, span.end - span.begin);
    }

  private:
    std::string_view text_;
};

/// A list as a value, and where in its text the plugins are.
struct Conflist {
    json::object value{};
    Span array{};
    std::vector<Span> plugins{};
};

ConflistResult<Conflist> read(const std::string& text) {
    boost::system::error_code error;
    const json::value value = json::parse(text, error);
    if (error) return ConflistError{"it is no JSON: " + error.message()};
    const auto* object = value.if_object();
    const auto* plugins = object == nullptr ? nullptr : object->if_contains("plugins");
    if (plugins == nullptr || !plugins->is_array() || plugins->get_array().empty()) {
        return ConflistError{
            "it is no list of plugins (a .conf with one plugin would have to become a .conflist)"};
    }
    Conflist list{.value = *object};
    const Scanner scanner(text);
    const auto members = scanner.parts(scanner.skip_space(0));
    for (std::size_t i = 0; i + 1 < members.size(); i += 2) {
        if (scanner.text(members[i]) != "\"plugins\"") continue;
        if (list.array.end != 0) return ConflistError{"it has two lists of plugins"};
        list.array = members[i + 1];
        list.plugins = scanner.parts(list.array.begin);
    }
    if (list.plugins.size() != plugins->get_array().size()) {
        return ConflistError{"its list of plugins is spelt in an odd way"};
    }
    return list;
}

bool is_ours(const json::value& plugin) {
    const auto* object = plugin.if_object();
    const auto* type = object == nullptr ? nullptr : object->if_contains("type");
    const auto* name = type == nullptr ? nullptr : type->if_string();
    return name != nullptr && std::string_view(name->data(), name->size()) == kCniPlugin;
}

/// Text would be as good for an error.
ConflistResult<std::string> as_is(std::string text) {
    return {boost::system::in_place_value, std::move(text)};
}

/// Only what we meant to change has changed.
ConflistResult<std::string> verified(std::string text, const json::object& meant) {
    boost::system::error_code error;
    if (json::parse(text, error) == meant && !error) return as_is(std::move(text));
    return ConflistError{"it is spelt in an odd way"};
}

}  // namespace

void throw_exception_from_error(const ConflistError& error, const boost::source_location& where) {
    (void)std::fprintf(stderr, "podfence: unhandled error: %s (%s:%u)\n", error.message.c_str(),
                       where.file_name(), static_cast<unsigned>(where.line()));
    std::abort();
}

ConflistResult<std::string> without_plugin(const std::string& text) {
    auto list = read(text);
    if (!list) return list.error();
    auto& plugins = list->value.at("plugins").as_array();
    std::string out = text;
    // From the end, so that what is before stays where it is.
    for (std::size_t i = plugins.size(); i-- > 0;) {
        if (!is_ours(plugins[i])) continue;
        if (plugins.size() == 1) return ConflistError{"podfence-cni is the only plugin in it"};
        plugins.erase(plugins.begin() + static_cast<std::ptrdiff_t>(i));
        // With the comma and the space that separate it from what is before it, or after the first.
        const std::size_t begin = i > 0 ? list->plugins[i - 1].end : list->plugins[0].begin;
        const std::size_t end = i > 0 ? list->plugins[i].end : list->plugins[1].begin;
        out.erase(begin, end - begin);
    }
    return verified(std::move(out), list->value);
}

ConflistResult<std::string> with_plugin(const std::string& text, const json::object& plugin) {
    auto list = read(text);
    if (!list) return list.error();
    const auto& plugins = list->value.at("plugins").as_array();
    const auto count = std::count_if(plugins.begin(), plugins.end(), is_ours);
    if (count == 1 && plugins.back() == plugin) return as_is(text);
    auto out = without_plugin(text);
    if (!out) return out.error();
    list = read(*out);
    if (!list) return list.error();
    list->value.at("plugins").as_array().emplace_back(plugin);
    // As the last one is separated from what is before it.
    const auto& spans = list->plugins;
    std::string separator = ", ";
    if (spans.size() > 1) {
        const std::size_t from = spans[spans.size() - 2].end;
        separator = out->substr(from, spans.back().begin - from);
    }
    out->insert(spans.back().end, separator + json::serialize(plugin));
    return verified(*std::move(out), list->value);
}

}  // namespace podfence::cmd
