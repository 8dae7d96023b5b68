#include "test/cli/cli.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <boost/json.hpp>

#include "test/support/paths.hpp"

namespace podfence::test {

const char* const kShop = R"(apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
- {apiVersion: v1, kind: Namespace, metadata: {name: monitoring, labels: {team: watch}}}
- apiVersion: v1
  kind: Pod
  metadata: {name: frontend, namespace: shop, labels: {app: frontend}}
  spec: {nodeName: node-a, containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
  status: {phase: Running, podIP: 10.1.0.2, podIPs: [{ip: 10.1.0.2}, {ip: "fd00:1::2"}]}
- apiVersion: v1
  kind: Pod
  metadata: {name: backend, namespace: shop, labels: {app: backend}}
  spec: {nodeName: node-a, containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
  status: {phase: Running, podIP: 10.1.0.3, podIPs: [{ip: 10.1.0.3}, {ip: "fd00:1::3"}]}
- apiVersion: v1
  kind: Pod
  metadata: {name: db, namespace: shop, labels: {app: db}}
  spec:
    nodeName: node-a
    containers:
    - name: c
      ports: [{name: postgres, containerPort: 5432}, {name: metrics, containerPort: 9187}]
  status: {phase: Running, podIP: 10.1.0.4}
- apiVersion: v1
  kind: Pod
  metadata: {name: job, namespace: shop, labels: {app: job}}
  spec: {nodeName: node-a, containers: [{name: c}]}
  status: {phase: Succeeded, podIP: 10.1.0.9}
- apiVersion: v1
  kind: Pod
  metadata: {name: cache, namespace: shop, labels: {app: cache}}
  spec: {nodeName: node-b, containers: [{name: c}]}
  status: {phase: Running, podIP: 10.2.0.3}
- apiVersion: v1
  kind: Pod
  metadata: {name: prometheus, namespace: monitoring, labels: {app: prometheus}}
  spec: {nodeName: node-b, containers: [{name: c}]}
  status: {phase: Running, podIP: 10.2.0.2}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db-from-backend, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: backend}}}]
    ports: [{port: postgres}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: scrape, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress:
  - from: [{namespaceSelector: {matchLabels: {team: watch}}}]
    ports: [{port: metrics}]
)";

lab::Finished run_podfence(const Arguments& arguments, std::string_view input,
                           const std::vector<std::string>& environment) {
    std::vector<std::string> command{test::podfence_program()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    std::vector<std::string> variables{"NODE_NAME=node-a"};
    variables.insert(variables.end(), environment.begin(), environment.end());
    return lab::run_program(command, input, variables);
}

lab::Finished shell(const std::string& command) {
    const TemporaryFile shop(kShop);
    return lab::run_program({"bash", "-c", command}, {},
                            {std::string("PODFENCE=") + test::podfence_program(),
                             "SHOP=" + shop.path(), "NODE_NAME=node-a"});
}

boost::json::value json_of(const lab::Finished& run) {
    boost::system::error_code error;
    boost::json::value value = boost::json::parse(run.out, error);
    if (error) {
        throw std::runtime_error("not JSON (" + error.message() + "): " + run.out + run.err);
    }
    return value;
}

TemporaryFile::TemporaryFile(std::string_view text, const std::string& name) {
    std::string pattern = std::filesystem::temp_directory_path() / "podfence-cli-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw std::runtime_error("no temporary directory " + pattern);
    }
    directory_ = pattern;
    path_ = directory_ + "/" + name;
    std::ofstream(path_) << text;
}

TemporaryFile::~TemporaryFile() {
    std::error_code ignored;  // A leftover in /tmp is nothing to fail for.
    std::filesystem::remove_all(directory_, ignored);
}

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

}  // namespace podfence::test
