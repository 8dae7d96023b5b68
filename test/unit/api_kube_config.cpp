#include <filesystem>
#include <fstream>
#include <map>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "controller/base64.hpp"
#include "controller/exec_plugin.hpp"
#include "controller/kube_config.hpp"

using namespace podfence;
namespace fs = std::filesystem;

namespace {

struct TempDir {
    TempDir() {
        path = (fs::temp_directory_path() / "podfence-config-XXXXXX").string();
        REQUIRE(::mkdtemp(path.data()) != nullptr);
    }
    ~TempDir() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    std::string write(const std::string& name, const std::string& text) const {
        fs::create_directories(fs::path(path + '/' + name).parent_path());
        std::ofstream(path + '/' + name) << text;
        return path + '/' + name;
    }
    std::string path;
};

Environment variables(const std::map<std::string, std::string>& values) {
    return [values](const std::string& name) -> std::optional<std::string> {
        const auto found = values.find(name);
        return found == values.end() ? std::nullopt : std::optional(found->second);
    };
}

/// One cluster "c", user "u" and context "x"; in flow style, to be filled in.
std::string config(const std::string& cluster, const std::string& user = "{token: t}") {
    return "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
           "clusters:\n- name: c\n  cluster: " +
           cluster +
           "\n"
           "users:\n- name: u\n  user: " +
           user +
           "\n"
           "contexts:\n- name: x\n  context: {cluster: c, user: u, namespace: shop}\n";
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("api config: servers' URLs") {
    struct Row {
        const char* url;
        const char* host;
        int port;
        const char* path;
    };
    const Row row = GENERATE(
        values<Row>({{"https://10.0.0.1:6443", "10.0.0.1", 6443, ""},
                     {"https://api.example", "api.example", 443, ""},
                     {"api:8443/", "api", 8443, ""},
                     {"https://[fd00::1]:6443", "fd00::1", 6443, ""},
                     {"https://[fd00::1]/k8s/c-1/", "fd00::1", 443, "/k8s/c-1"},
                     {"https://rancher/k8s/clusters/c", "rancher", 443, "/k8s/clusters/c"}}));
    CAPTURE(row.url);
    ClusterAccess access;
    REQUIRE(parse_server_url(row.url, access).has_value());
    CHECK(access.host == row.host);
    CHECK(access.port == row.port);
    CHECK(access.base_path == row.path);
    CHECK(access.server_name == row.host);
    for (const char* bad : {"http://a:80", "https://", "https://[fd00::1", "https://fd00::1",
                            "https://a:0", "https://a:70000", "https://a:b", "https://u@a",
                            "https://a/?x", "https://[10.0.0.1]", "https://[::1]x"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_server_url(bad, access).has_value());
    }
}

TEST_CASE("api config: everything a kubeconfig may say") {
    const TempDir dir;
    const std::string path = dir.write(
        "kubeconfig", config("{server: \"https://[fd00::1]:6443/k8s\", tls-server-name: kubernetes,"
                             " certificate-authority: pki/ca.crt}",
                             "{client-certificate-data: Y2VydA==, client-key: /abs/key,"
                             " token: ignored, tokenFile: tok}"));
    const auto access = find_access({.kubeconfig = path}, variables({}));
    REQUIRE(access.has_value());
    CHECK(access->origin == "context \"x\" of " + path);
    CHECK(access->host == "fd00::1");
    CHECK(access->server_name == "kubernetes");
    CHECK(url_of(*access) == "https://[fd00::1]:6443/k8s");
    CHECK(access->ca == TextSource{.path = dir.path + "/pki/ca.crt"});
    CHECK(access->certificate == TextSource{.text = "cert"});
    CHECK(access->key == TextSource{.path = "/abs/key"});
    CHECK(access->token == TextSource{.path = dir.path + "/tok"});
    CHECK(access->verify);

    dir.write("kubeconfig",
              config("{server: \"https://a\", insecure-skip-tls-verify: true}",
                     "{exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: bin/login,"
                     " args: [a, \"1\"], env: [{name: NAME, value: v}], provideClusterInfo: true,"
                     " interactiveMode: IfAvailable, installHint: get it}}"));
    const auto other = find_access({.kubeconfig = path}, variables({}));
    REQUIRE(other.has_value());
    CHECK_FALSE(other->verify);
    CHECK(other->exec == ExecPlugin{.api_version = "client.authentication.k8s.io/v1beta1",
                                    .command = dir.path + "/bin/login",
                                    .args = {"a", "1"},
                                    .env = {{"NAME", "v"}},
                                    .install_hint = "get it",
                                    .cluster_info = true});
    CHECK(exec_info(*other->exec, *other, "PEM") ==
          R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1",)"
          R"("spec":{"interactive":false,"cluster":{"server":"https://a:443",)"
          R"("insecure-skip-tls-verify":true,"certificate-authority-data":"UEVN",)"
          R"("config":null}}})");
}

TEST_CASE("api config: of several files the first to say something wins") {
    const TempDir dir;
    const std::string first = dir.write("one/config", config("{server: \"https://one\"}"));
    const std::string second =
        dir.write("two/config",
                  "{\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":\"https://two\"}},"
                  "{\"name\":\"d\",\"cluster\":{\"server\":\"https://three\","
                  "\"certificate-authority\":\"ca\"}}],"
                  "\"contexts\":[{\"name\":\"y\",\"context\":{\"cluster\":\"d\",\"user\":\"u\"}}],"
                  "\"current-context\":\"y\"}");
    const auto env = variables({{"KUBECONFIG", first + "::" + dir.path + "/none:" + second}});
    const auto x = find_access({}, env);
    REQUIRE(x.has_value());
    CHECK(x->host == "one");
    const auto y = find_access({.context = "y"}, env);
    REQUIRE(y.has_value());
    CHECK(y->host == "three");
    CHECK(y->ca.path == dir.path + "/two/ca");
    CHECK(y->token.text == "t");
    const auto none = find_access({.context = "z"}, env);
    REQUIRE_FALSE(none.has_value());
    CHECK(contains(none.error().message, "there is no context \"z\""));
    CHECK(contains(none.error().remedy, "\"x\", \"y\""));
    CHECK_FALSE(
        find_access({}, variables({{"KUBECONFIG", dir.path + "/none:/nowhere"}})).has_value());
}

TEST_CASE("api config: what is wrong is named, with its place and a remedy") {
    struct Row {
        std::string text;
        const char* message;
    };
    const std::string fine = "{server: \"https://a\"}";
    const Row row = GENERATE_COPY(values<Row>({
        {"a: [", ":"},
        {"", "is empty"},
        {"- a", "no kubeconfig"},
        {"kind: Config", "has no current-context"},
        {config("{}"), "cluster \"c\": server is missing"},
        {config("{server: \"http://a\"}"), "kubeconfig:6: cluster \"c\": server \"http://a\""},
        {config("{server: \"https://a\", proxy-url: \"http://p\"}"), "proxy-url is not supported"},
        {config("{server: \"https://a\", certificate-authority-data: \"%\"}"),
         "certificate-authority-data is no base64"},
        {config(
             "{server: \"https://a\", certificate-authority: x, insecure-skip-tls-verify: true}"),
         "although a CA is given"},
        {config(fine, "{username: a, password: b}"), "user \"u\": username is not supported"},
        {config(fine, "{auth-provider: {name: gcp}}"), "auth-provider is not supported"},
        {config(fine, "{as: admin}"), "as is not supported"},
        {config(fine, "{client-certificate: x}"), "client-key is missing"},
        {config(fine, "{exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}}"),
         "exec has apiVersion"},
        {config(fine, "{exec: {apiVersion: client.authentication.k8s.io/v1}}"), "no command"},
        {config(fine,
                "{exec: {apiVersion: client.authentication.k8s.io/v1, command: x,"
                " interactiveMode: Always}}"),
         "interactiveMode Always"},
    }));
    const TempDir dir;
    const auto access =
        find_access({.kubeconfig = dir.write("kubeconfig", row.text)}, variables({}));
    CAPTURE(row.text);
    REQUIRE_FALSE(access.has_value());
    CAPTURE(access.error().message);
    CHECK(access.error().cause == Trouble::Cause::input);
    CHECK(contains(access.error().message, dir.path + "/kubeconfig"));
    CHECK(contains(access.error().message, row.message));
    CHECK_FALSE(access.error().remedy.empty());
}

TEST_CASE("api config: in a pod") {
    const TempDir dir;
    const auto env = variables(
        {{"KUBERNETES_SERVICE_HOST", "fd00:10:96::1"}, {"KUBERNETES_SERVICE_PORT", "443"}});
    const AccessOptions options{.account_dir = dir.path};
    const auto missing = find_access(options, env);
    REQUIRE_FALSE(missing.has_value());
    CHECK(contains(missing.error().message, dir.path + "/token cannot be read"));
    CHECK(contains(missing.error().remedy, "automountServiceAccountToken"));
    dir.write("token", "abc\n");
    dir.write("ca.crt", "PEM");
    const auto access = find_access(options, env);
    REQUIRE(access.has_value());
    CHECK(url_of(*access) == "https://[fd00:10:96::1]:443");
    CHECK(access->token.path == dir.path + "/token");
    CHECK(access->ca.path == dir.path + "/ca.crt");
    const auto outside = find_access(options, variables({}));
    REQUIRE_FALSE(outside.has_value());
    CHECK(contains(outside.error().remedy, "--kubeconfig"));
    CHECK_FALSE(find_access({.context = "x", .account_dir = dir.path}, env).has_value());
}

TEST_CASE("api config: base64") {
    for (const char* text : {"", "a", "ab", "abc", "abcd", "\x01\xff\x7f"}) {
        CHECK(from_base64(to_base64(text)) == std::string(text));
    }
    CHECK(to_base64("Hello, World") == "SGVsbG8sIFdvcmxk");
    CHECK(from_base64(" SGVs\nbG8= ") == "Hello");
    for (const char* bad : {"a", "ab", "abc", "ab=", "a===", "ab==c", "a*cd", "abcd=", "ab-_"}) {
        CAPTURE(bad);
        CHECK_FALSE(from_base64(bad));
    }
}
