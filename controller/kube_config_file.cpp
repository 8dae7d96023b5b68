#include <algorithm>
#include <filesystem>
#include <list>
#include <map>

#include "controller/base64.hpp"
#include "controller/kube_config.hpp"
#include "controller/yaml_file.hpp"

namespace podfence {

namespace {

namespace fs = std::filesystem;

struct ConfigFile {
    std::string path{};
    Node root{};
};

/// One cluster, user or context, and whose words it is.
struct Entry {
    const ConfigFile* file = nullptr;
    const Node* node = nullptr;
    std::string title{};  ///< "user \"admin\""
};

Trouble input(std::string message, std::string remedy) {
    return {
        .cause = Trouble::Cause::input, .message = std::move(message), .remedy = std::move(remedy)};
}

Trouble at(const ConfigFile& file, std::uint32_t line, const std::string& message,
           const std::string& remedy) {
    return input(to_string(SourcePos{.file = file.path, .line = line}) + ": " + message, remedy);
}

Trouble at(const Entry& entry, std::string_view field, const std::string& message,
           const std::string& remedy) {
    const Node* node = entry.node->find(field);
    return at(*entry.file, node == nullptr ? entry.node->line : node->line,
              entry.title + ": " + std::string(field) + ' ' + message, remedy);
}

/// The files of a list, of which the first to say something wins.
class Config {
  public:
    Sourced<void> read(const std::vector<std::string>& paths) {
        for (const std::string& path : paths) {
            std::error_code ignored;
            if (paths.size() > 1 && !fs::exists(path, ignored)) continue;
            auto root = read_yaml_file(path, "kubeconfig",
                                       "write a kubeconfig, as kubectl config view --raw does");
            if (!root) return root.error();
            files_.push_back({.path = path, .root = std::move(*root)});
        }
        if (!files_.empty()) return {};
        return input("none of the files of KUBECONFIG exists: " + join(paths),
                     "name a kubeconfig that can be read");
    }

    Sourced<Entry> context(const std::string& wanted) const {
        std::string name = wanted;
        for (const ConfigFile& file : files_) {
            if (name.empty()) name = file.root.string_at("current-context");
        }
        if (name.empty()) {
            return input(names() + ": has no current-context",
                         "choose one of " + known("contexts") + " with --context");
        }
        return find("contexts", "context", name);
    }

    /// An entry of one of the three lists, by name.
    Sourced<Entry> find(const std::string& list, const std::string& member,
                        const std::string& name) const {
        for (const ConfigFile& file : files_) {
            const Node* entries = file.root.get(list);
            if (entries == nullptr) continue;
            for (const Node& entry : entries->children) {
                if (entry.string_at("name") != name) continue;
                std::string title = member;
                title.append(" ").append(podfence::quoted(name));
                const Node* value = entry.get(member);
                if (value != nullptr && value->is_map()) {
                    return Entry{.file = &file, .node = value, .title = title};
                }
                title.append(": has no map ").append(podfence::quoted(member));
                return at(file, entry.line, title, "see kubectl config view --raw");
            }
        }
        return input(names() + ": there is no " + member + ' ' + podfence::quoted(name),
                     "there is " + known(list));
    }

  private:
    std::string names() const {
        std::vector<std::string> paths;
        for (const ConfigFile& file : files_) paths.push_back(file.path);
        return join(paths);
    }
    std::string known(const std::string& list) const {
        std::vector<std::string> names;
        for (const ConfigFile& file : files_) {
            const Node* entries = file.root.get(list);
            if (entries == nullptr) continue;
            for (const Node& entry : entries->children) {
                names.push_back(podfence::quoted(entry.string_at("name")));
            }
        }
        return names.empty() ? "none" : join(names);
    }
    static std::string join(const std::vector<std::string>& texts) {
        std::string out;
        for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
        return out;
    }

    std::list<ConfigFile> files_{};
};

/// Relative paths are those of the file that names them.
std::string resolved(const Entry& entry, std::string_view path) {
    return (fs::path(entry.file->path).parent_path() / fs::path(path)).lexically_normal();
}

/// `data_field` holds base64 and wins over `path_field`, as in client-go.
Sourced<TextSource> text_source(const Entry& entry, std::string_view data_field,
                                std::string_view path_field) {
    if (const std::string_view data = entry.node->string_at(data_field); !data.empty()) {
        const auto text = from_base64(data);
        if (text && !text->empty()) return TextSource{.text = *text};
        return at(entry, data_field, "is no base64", "write the PEM text in base64 -w0");
    }
    const std::string_view path = entry.node->string_at(path_field);
    return path.empty() ? TextSource{} : TextSource{.path = resolved(entry, path)};
}

Sourced<void> refuse_fields(const Entry& entry,
                            std::initializer_list<std::pair<std::string_view, const char*>> no) {
    for (const auto& [field, remedy] : no) {
        const Node* node = entry.node->get(field);
        if (node == nullptr || (node->is_string() && node->text.empty())) continue;
        return at(entry, field, "is not supported", remedy);
    }
    return {};
}

Sourced<void> take_cluster(const Entry& cluster, ClusterAccess& access) {
    const Node& node = *cluster.node;
    const std::string_view server = node.string_at("server");
    if (server.empty()) {
        return at(cluster, "server", "is missing", "write server: https://HOST:PORT");
    }
    if (const auto parsed = parse_server_url(server, access); !parsed) {
        return at(cluster, "server", podfence::quoted(server) + ' ' + parsed.error(),
                  "write server: https://HOST:PORT");
    }
    if (const auto name = node.string_at("tls-server-name"); !name.empty()) {
        access.server_name = name;
    }
    if (const Node* insecure = node.get("insecure-skip-tls-verify")) {
        const auto value = parse_boolean(insecure->text);
        if (!insecure->is(Node::Kind::boolean) || !value) {
            return at(cluster, "insecure-skip-tls-verify", "is " + describe(*insecure),
                      "write true or false");
        }
        access.verify = !*value;
    }
    auto ca = text_source(cluster, "certificate-authority-data", "certificate-authority");
    if (!ca) return ca.error();
    access.ca = std::move(*ca);
    if (!access.verify && !access.ca.empty()) {
        return at(cluster, "insecure-skip-tls-verify", "is true although a CA is given",
                  "remove one of the two");
    }
    return refuse_fields(cluster, {{"proxy-url", "connect without a proxy"}});
}

Sourced<void> take_exec(const Entry& user, const Node& node, ClusterAccess& access) {
    ExecPlugin plugin{.api_version = std::string(node.string_at("apiVersion")),
                      .command = std::string(node.string_at("command")),
                      .install_hint = std::string(node.string_at("installHint"))};
    if (plugin.api_version != "client.authentication.k8s.io/v1" &&
        plugin.api_version != "client.authentication.k8s.io/v1beta1") {
        return at(user, "exec", "has apiVersion " + podfence::quoted(plugin.api_version),
                  "podfence knows client.authentication.k8s.io/v1 and v1beta1");
    }
    if (plugin.command.empty()) {
        return at(user, "exec", "names no command", "write the plugin's command");
    }
    if (node.string_at("interactiveMode") == "Always") {
        return at(user, "exec", "has interactiveMode Always",
                  "an agent has no terminal; use a plugin that needs none");
    }
    if (plugin.command.find('/') != std::string::npos) {
        plugin.command = resolved(user, plugin.command);
    }
    if (const Node* args = node.get("args")) {
        for (const Node& arg : args->children) plugin.args.push_back(arg.text);
    }
    if (const Node* env = node.get("env")) {
        for (const Node& pair : env->children) {
            plugin.env.emplace_back(pair.string_at("name"), pair.string_at("value"));
        }
    }
    const Node* info = node.get("provideClusterInfo");
    plugin.cluster_info = info != nullptr && parse_boolean(info->text).value_or(false);
    access.exec = std::move(plugin);
    return {};
}

Sourced<void> take_user(const Entry& user, ClusterAccess& access) {
    constexpr const char* kNoImpersonation = "use an account of its own for podfence";
    constexpr const char* kNoPassword = "use a token, a client certificate or an exec plugin";
    auto refused = refuse_fields(user, {{"auth-provider", "use an exec plugin instead"},
                                        {"username", kNoPassword},
                                        {"password", kNoPassword},
                                        {"as", kNoImpersonation},
                                        {"as-uid", kNoImpersonation},
                                        {"as-groups", kNoImpersonation},
                                        {"as-user-extra", kNoImpersonation}});
    if (!refused) return refused;
    auto certificate = text_source(user, "client-certificate-data", "client-certificate");
    if (!certificate) return certificate.error();
    auto key = text_source(user, "client-key-data", "client-key");
    if (!key) return key.error();
    if (certificate->empty() != key->empty()) {
        const bool no_key = key->empty();
        return at(user, no_key ? "client-key" : "client-certificate", "is missing",
                  "a client certificate and its key come together");
    }
    access.certificate = std::move(*certificate);
    access.key = std::move(*key);
    access.token.text = user.node->string_at("token");
    if (const auto path = user.node->string_at("tokenFile"); !path.empty()) {
        access.token = {.path = resolved(user, path)};
    }
    const Node* exec = user.node->get("exec");
    if (exec == nullptr) return {};
    if (!exec->is_map()) {
        return at(user, "exec", "is " + describe(*exec) + ", not a map", "write a map");
    }
    return take_exec(user, *exec, access);
}

}  // namespace

Sourced<ClusterAccess> read_kube_config(const std::vector<std::string>& paths,
                                        const std::string& wanted) {
    Config config;
    if (const auto read = config.read(paths); !read) return read.error();
    const auto context = config.context(wanted);
    if (!context) return context.error();
    ClusterAccess access{.origin = context->title + " of " + context->file->path};
    const std::string cluster_name(context->node->string_at("cluster"));
    if (cluster_name.empty()) {
        return at(*context, "cluster", "is missing", "write the name of one of the clusters");
    }
    const auto cluster = config.find("clusters", "cluster", cluster_name);
    if (!cluster) return cluster.error();
    if (const auto taken = take_cluster(*cluster, access); !taken) return taken.error();
    // Without a user requests are anonymous, which some proxies want.
    const std::string user_name(context->node->string_at("user"));
    if (user_name.empty()) return access;
    const auto user = config.find("users", "user", user_name);
    if (!user) return user.error();
    if (const auto taken = take_user(*user, access); !taken) return taken.error();
    return access;
}

}  // namespace podfence
