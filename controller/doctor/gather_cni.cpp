// How the container runtime connects pods.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include <boost/json.hpp>
#include <unistd.h>

#include "controller/doctor/gather.hpp"

namespace podfence::doctor {

namespace {

constexpr std::size_t kFilesMax = 64;
constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;

/// "" unless it is a string.
std::string text_in(const boost::json::value& value, const char* name) {
    const auto* object = value.if_object();
    const auto* member = object == nullptr ? nullptr : object->if_contains(name);
    return member != nullptr && member->is_string() ? member->get_string().c_str() : "";
}

void add_plugin(CniConfig& config, const boost::json::value& plugin) {
    const std::string type = text_in(plugin, "type");
    if (type.empty()) return;
    config.types.push_back(type);
    if (type == kOwnCniPlugin) config.on_agent_missing = text_in(plugin, "onAgentMissing");
}

CniConfig read_plugins(const std::string& file, const boost::json::value& json) {
    CniConfig config{.file = file};
    const auto* object = json.if_object();
    const auto* plugins = object == nullptr ? nullptr : object->if_contains("plugins");
    if (plugins == nullptr || !plugins->is_array()) {
        add_plugin(config, json);
    } else {
        for (const auto& plugin : plugins->get_array()) add_plugin(config, plugin);
    }
    return config;
}

std::string read_bounded(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text(kFileBytesMax, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    return text;
}

}  // namespace

std::vector<CniConfig> gather_cni(const std::string& directory) {
    std::vector<std::filesystem::path> files;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
        const auto extension = entry.path().extension();
        const bool config =
            extension == ".conf" || extension == ".conflist" || extension == ".json";
        if (config && entry.is_regular_file(ignored)) files.push_back(entry.path());
        if (files.size() == kFilesMax) break;
    }
    std::ranges::sort(files);
    std::vector<CniConfig> configs;
    for (const auto& file : files) {
        boost::system::error_code error;
        const auto config = boost::json::parse(read_bounded(file), error);
        if (error) continue;
        configs.push_back(read_plugins(file.string(), config));
    }
    return configs;
}

std::optional<bool> find_own_plugin(const std::string& directory) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(directory, ignored)) return std::nullopt;
    const auto program = std::filesystem::path(directory) / kOwnCniPlugin;
    return ::access(program.c_str(), X_OK) == 0;
}

}  // namespace podfence::doctor
