#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controller/json_document.hpp"
#include "controller/yaml_document.hpp"

namespace podfence {

/// The bytes of one source, cut into YAML and JSON documents in any mixture. Lines end in "\n",
/// "\r\n" or "\r", which YAML 1.1 and JSON take for the same. A document is JSON
/// when it starts as only JSON does; an error in one document leaves those behind it alone.
class ManifestStream {
  public:
    explicit ManifestStream(ObjectLoader& loader) : loader_(loader), yaml_(loader) {}

    /// False when the rest is not worth reading: binary data or too much of it. That is reported,
    /// and failed() is true.
    bool feed(std::string_view bytes);
    /// The source has ended.
    void finish();
    bool failed() const { return failed_; }

  private:
    enum class Mode : std::uint8_t { between, yaml, json };

    void take_any_ends(std::string_view bytes);
    void take(std::string_view bytes);
    bool opens(std::string_view piece) const;
    std::size_t take_opening(std::string_view bytes);
    void start_json();
    void start_yaml();
    void take_text(std::string_view piece);
    void end_partial();
    void take_line(std::string_view text);
    std::size_t take_json(std::string_view piece);
    std::size_t take_behind_error(std::string_view piece);
    void end_json();
    void fail(const std::string& message, const std::string& remedy);

    ObjectLoader& loader_;
    YamlDocument yaml_;
    std::optional<JsonDocument> json_{};
    Mode mode_ = Mode::between;
    std::string partial_{};  ///< A line whose end has not come yet.
    std::string opening_{};  ///< A '{' or '[' and blanks: it is not known yet what they start.
    std::uint32_t opening_line_ = 0;
    std::uint32_t line_ = 1;  ///< The number of the current line.
    std::size_t bytes_ = 0;
    bool at_line_start_ = true;  ///< In JSON.
    bool after_return_ = false;  ///< The last byte was '\r'.
    bool overlong_ = false;      ///< The rest of the current line is dropped.
    bool failed_ = false;
};

}  // namespace podfence
