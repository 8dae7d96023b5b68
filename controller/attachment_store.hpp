#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/attachment.hpp"

namespace podfence {

/// The attachments of this node as files of one directory, one each. The CNI plugin writes them and
/// removes them; the agent reads them when it starts, and so knows the pods that were started just
/// before, or while there was none. Under /run, which goes with the sandboxes when the node ends.
class AttachmentStore {
  public:
    explicit AttachmentStore(std::string directory) : directory_(std::move(directory)) {}
    /// Beside the agent's socket.
    static AttachmentStore beside(const std::string& socket);

    /// At once or not at all, in the place of what was said of this key. Makes the directory, for
    /// root only. What went wrong, or nothing.
    std::optional<std::string> save(const Attachment& attachment) const;
    /// What went wrong; that there is none is fine.
    std::optional<std::string> remove(const AttachmentKey& key) const;

    struct Contents {
        std::vector<Attachment> attachments{};  ///< In the order in which they were made.
        std::vector<std::string> problems{};    ///< Of files and the directory; none where no
                                                ///< directory is.
    };
    Contents load() const;

    const std::string& directory() const { return directory_; }

  private:
    std::string path_of(const AttachmentKey& key) const;

    std::string directory_;
};

}  // namespace podfence
