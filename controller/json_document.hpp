#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "controller/object_loader.hpp"

namespace podfence {

/// One JSON document, piece by piece. The items of a list are taken as they are complete. JSON
/// cannot be picked up again behind an error: the rest is only searched for what may be policies.
class JsonDocument {
  public:
    explicit JsonDocument(ObjectLoader& loader, std::uint32_t line);
    ~JsonDocument();
    JsonDocument(const JsonDocument&) = delete;
    JsonDocument& operator=(const JsonDocument&) = delete;

    /// Takes text of one line, or a part of it; gives how much belonged to this document.
    std::size_t feed(std::string_view text, std::uint32_t line);
    /// The root is closed.
    bool done() const;
    bool broken() const;
    /// No more input: reports what is missing, hands the document over.
    void finish();

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace podfence
