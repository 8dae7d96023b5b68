#include "controller/attachment_store.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace podfence {

namespace {

/// Several times what one attachment takes, and what a node has pods.
constexpr std::size_t kFileBytesMax = 65536;
constexpr std::size_t kFilesMax = 8192;
/// Files that are being written begin so.
constexpr char kDraft = '.';

std::string failed(const std::string& doing) {
    return doing + ": " + std::strerror(errno);
}

class File {
  public:
    explicit File(int fd) : fd_(fd) {}
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        if (fd_ >= 0) ::close(fd_);
    }
    int fd() const { return fd_; }

  private:
    int fd_;
};

bool make_directories(const std::string& path) {
    for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
        if (::mkdir(path.substr(0, slash).c_str(), 0755) != 0 && errno != EEXIST) return false;
    }
    return ::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST;
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

/// nullopt: errno says why. More than kFileBytesMax is cut off, and then is no JSON.
std::optional<std::string> read_file(const std::string& path) {
    const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (file.fd() < 0) return std::nullopt;
    std::string text;
    std::array<char, 4096> bytes{};
    while (text.size() < kFileBytesMax) {
        const ssize_t size = ::read(file.fd(), bytes.data(), bytes.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return std::nullopt;
        if (size == 0) break;
        text.append(bytes.data(), static_cast<std::size_t>(size));
    }
    return text;
}

}  // namespace

AttachmentStore AttachmentStore::beside(const std::string& socket) {
    const std::size_t slash = socket.rfind('/');
    return AttachmentStore((slash == std::string::npos ? "." : socket.substr(0, slash)) + "/cni");
}

/// Neither a network's name nor a container's ID has a comma.
std::string AttachmentStore::path_of(const AttachmentKey& key) const {
    return directory_ + "/" + key.network + "," + key.container + "," + key.interface;
}

std::optional<std::string> AttachmentStore::save(const Attachment& attachment) const {
    const std::string path = path_of(attachment.key);
    const std::string draft = directory_ + "/" + kDraft + std::to_string(::getpid());
    const auto create = [&] {
        return ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    };
    int fd = create();
    if (fd < 0 && errno == ENOENT && make_directories(directory_)) fd = create();
    const File file(fd);
    if (fd < 0) return failed("write in " + directory_);
    if (write_all(fd, boost::json::serialize(encode(attachment))) &&
        ::rename(draft.c_str(), path.c_str()) == 0) {
        return std::nullopt;
    }
    std::string problem = failed("write " + path);
    (void)::unlink(draft.c_str());
    return problem;
}

std::optional<std::string> AttachmentStore::remove(const AttachmentKey& key) const {
    const std::string path = path_of(key);
    if (::unlink(path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return failed("remove " + path);
}

AttachmentStore::Contents AttachmentStore::load() const {
    Contents contents;
    const auto close = [](DIR* directory) { ::closedir(directory); };
    const std::unique_ptr<DIR, decltype(close)> directory(::opendir(directory_.c_str()), close);
    if (!directory) {
        if (errno != ENOENT) contents.problems.push_back(failed("read " + directory_));
        return contents;
    }
    std::size_t files = 0;
    while (const dirent* entry = ::readdir(directory.get())) {
        if (entry->d_name[0] == kDraft) continue;
        const std::string path = directory_ + "/" + entry->d_name;
        if (++files > kFilesMax) {
            contents.problems.push_back(directory_ + " holds more files than a node has pods");
            break;
        }
        const auto text = read_file(path);
        if (!text) {
            // Gone meanwhile, as its pod is.
            if (errno != ENOENT) contents.problems.push_back(failed("read " + path));
            continue;
        }
        boost::system::error_code error;
        const auto value = boost::json::parse(*text, error);
        std::string problem = error ? error.message() : std::string();
        auto attachment = error ? std::nullopt : decode_attachment(value, problem);
        if (attachment) {
            contents.attachments.push_back(*std::move(attachment));
        } else {
            problem.insert(0, path + ": ");
            contents.problems.push_back(std::move(problem));
        }
    }
    std::stable_sort(contents.attachments.begin(), contents.attachments.end(),
                     [](const auto& a, const auto& b) { return a.since_ms < b.since_ms; });
    return contents;
}

}  // namespace podfence
