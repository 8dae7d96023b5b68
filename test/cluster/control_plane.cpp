#include "test/cluster/control_plane.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <boost/json/parse.hpp>
#include <poll.h>

#include "test/support/lab_process.hpp"
#include "test/support/paths.hpp"

namespace podfence::lab {
namespace {

constexpr std::uint16_t kEtcdPort = 2379;
constexpr const char* kEtcdUrl = "http://127.0.0.1:2379";

std::string number(std::size_t n) {
    return std::to_string(n + 1);
}

std::string script(const char* name) {
    return test::in_source_tree(std::string("test/cluster/") + name);
}

/// The folder of programs, or why there is none.
Finished find_assets() {
    Finished found = run_program({script("build"), "--if-built"});
    while (!found.out.empty() && found.out.back() == '\n') found.out.pop_back();
    return found;
}

/// Asks until the answer is 200. Nothing tells when a server begins to listen, so this polls; the
/// child's end, which is an event, ends it at once.
void await_ok(Http& http, const HttpRequest& request, Child& child, const std::string& log) {
    constexpr std::chrono::seconds kLimit{180};
    constexpr std::chrono::milliseconds kBetween{20};
    const auto until = std::chrono::steady_clock::now() + kLimit;
    std::string last;
    while (std::chrono::steady_clock::now() < until) {
        const auto answer = http.ask(request);
        if (answer && answer->status == 200) return;
        last = answer ? answer->body : http.error();
        if (const auto status = child.wait(kBetween))
            fail("ended with status " + std::to_string(*status) + ", " + tail_of(log));
    }
    fail("not ready in time (" + last + "), " + tail_of(log));
}

}  // namespace

std::optional<std::string> ControlPlane::missing() {
    const Finished assets = find_assets();
    if (assets.status == 0) return std::nullopt;
    return "no kube-apiserver to test with: " +
           assets.err.substr(0, assets.err.find_last_not_of('\n') + 1);
}

const std::string& ControlPlane::address() {
    static const std::string kAddress = "172.29.0.1";
    return kAddress;
}

ControlPlane::ControlPlane(const Lab& lab)
    : assets_(find_assets().out),
      directory_(lab.claim().directory() + "/control-plane"),
      ns_(NetNs::create(lab.claim().name("api"))) {
    std::filesystem::create_directories(directory_);
    lay_cables(lab);
    check_program({script("pki"), directory_, "https://" + address() + ":" + std::to_string(kPort),
                   "IP:" + address()});
    start_etcd();
    start_api();
}

void ControlPlane::lay_cables(const Lab& lab) {
    const Stay stay = ns_.enter();
    raise_loopback();
    std::string commands = "address add " + address() + "/32 dev lo\n";
    for (std::size_t n = 0; n < lab.node_count(); ++n) {
        const std::string me = number(n);
        commands += "link add node" + me + " type veth peer name api netns " +
                    lab.node(n).ns.name() + "\n" + "link set node" + me + " up\n" +
                    "address add 172.29." + me + ".254/24 dev node" + me + "\n";
    }
    check_program({"ip", "-batch", "-"}, commands);
    for (std::size_t n = 0; n < lab.node_count(); ++n) {
        const std::string me = number(n);
        const Stay in_node = lab.node(n).ns.enter();
        check_program({"ip", "-batch", "-"}, "link set api up\naddress add 172.29." + me +
                                                 ".1/24 dev api\n" + "route add " + address() +
                                                 " via 172.29." + me + ".254\n");
    }
}

void ControlPlane::set_cable(std::size_t node, bool plugged) {
    const Stay stay = ns_.enter();
    check_program({"ip", "link", "set", "node" + number(node), plugged ? "up" : "down"});
}

std::string ControlPlane::admin_token() const {
    std::ifstream tokens(directory_ + "/tokens.csv");
    std::string token;
    std::getline(tokens, token, ',');
    return token;
}

std::string ControlPlane::write_kubeconfig(const std::string& name, const std::string& token,
                                           std::uint16_t port) const {
    const std::string file = directory_ + "/" + name + ".kubeconfig";
    std::ofstream(file) << "apiVersion: v1\nkind: Config\ncurrent-context: test\n"
                        << "contexts: [{name: test, context: {cluster: test, user: test}}]\n"
                        << "clusters: [{name: test, cluster: {server: \"https://" << address()
                        << ":" << port << "\", certificate-authority: " << ca_file() << "}}]\n"
                        << "users: [{name: test, user: {token: " << token << "}}]\n";
    return file;
}

void ControlPlane::start_etcd() {
    const std::string log = directory_ + "/etcd.log";
    etcd_.reset();
    etcd_.emplace(ns_,
                  ChildSpec{.argv = {assets_ + "/etcd", "--data-dir", directory_ + "/etcd",
                                     "--listen-client-urls", kEtcdUrl, "--advertise-client-urls",
                                     kEtcdUrl, "--listen-peer-urls", "http://127.0.0.1:2380"},
                            .log = log});
    Http http(ns_, "127.0.0.1", kEtcdPort);
    await_ok(http, {.target = "/health"}, *etcd_, log);
}

void ControlPlane::start_api() {
    const auto file = [&](const char* name) { return directory_ + "/" + name; };
    api_.reset();
    api_.emplace(
        ns_,
        ChildSpec{.argv = {assets_ + "/kube-apiserver", std::string("--etcd-servers=") + kEtcdUrl,
                           "--bind-address=" + address(), "--advertise-address=" + address(),
                           "--secure-port=" + std::to_string(kPort),
                           "--tls-cert-file=" + file("apiserver.crt"),
                           "--tls-private-key-file=" + file("apiserver.key"),
                           "--token-auth-file=" + file("tokens.csv"), "--authorization-mode=RBAC",
                           "--service-account-issuer=https://kubernetes.default.svc",
                           "--service-account-key-file=" + file("sa.key"),
                           "--service-account-signing-key-file=" + file("sa.key"),
                           "--service-cluster-ip-range=10.96.0.0/16",
                           // Nobody here makes the accounts that pods would have to have.
                           "--disable-admission-plugins=ServiceAccount"},
                  .log = log()});
    Http http(ns_, address(), kPort, ca_file());
    await_ok(http, {.target = "/readyz", .bearer = admin_token()}, *api_, log());
}

void ControlPlane::stop_api() {
    constexpr std::chrono::seconds kLimit{30};
    api_->signal(SIGTERM);
    if (!api_->wait(kLimit)) api_->kill();  // It waits for open watches for up to a minute.
}

HttpResponse ControlPlane::ask_etcd(const std::string& target, const std::string& body) {
    Http http(ns_, "127.0.0.1", kEtcdPort);
    auto answer = http.ask({.method = "POST", .target = target, .body = body});
    if (!answer) fail("etcd " + target + ": " + http.error());
    if (answer->status != 200) fail("etcd " + target + ": " + answer->body);
    return *answer;
}

void ControlPlane::compact() {
    const auto state =
        boost::json::parse(ask_etcd("/v3/kv/range", R"({"key":"Lw==","limit":"1"})").body);
    const auto& revision = state.at("header").at("revision").as_string();
    ask_etcd("/v3/kv/compaction",
             R"({"physical":true,"revision":")" + std::string(revision) + "\"}");
}

}  // namespace podfence::lab
