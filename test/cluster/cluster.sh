# shellcheck shell=bash
# What up, down, node, image and kubectl share; sourced, not run. A cluster is a few namespaces:
#   pfc-control    network; etcd, kube-apiserver, controllers, and the bridge that joins the nodes
#   pfc-nodeN      network, mounts, processes, host name; containerd, kubelet, kube-proxy, the pods
# Each ends with its first process, and everything in it with it. The host's own network stays as it
# is. State and logs are in $PODFENCE_CLUSTER.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=test/support/setup.sh
source "$here/../support/setup.sh"
state=${PODFENCE_CLUSTER:-/var/tmp/podfence-cluster}

control4=10.245.0.1 control6=fd00:10:245::1
server=https://$control4:6443
node4() { echo "10.245.0.1$1"; }
node6() { echo "fd00:10:245::1$1"; }
pods4() { echo "10.244.$1.0/24"; }
pods6() { echo "fd00:10:244:$1::/64"; }
services=10.96.0.0/16,fd00:10:96::/112 service4=10.96.0.1
pods=10.244.0.0/16,fd00:10:244::/56

# numbers of the nodes that are up
nodes_up() {
    local file
    for file in "$state"/node[0-9]/pid; do
        [ ! -s "$file" ] || basename "$(dirname "$file")" | tr -dc '0-9\n'
    done
}

# in_node N COMMAND...: in all namespaces of the node.
in_node() {
    local pid
    pid=$(cat "$state/node$1/pid" 2>/dev/null) || die "node $1 is not up"
    nsenter -t "$pid" --net --mount --uts --pid -- "${@:2}"
}

# cgroup v1 has a folder of a node for every controller, v2 has one.
node_cgroups() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        echo "/sys/fs/cgroup/pfc-node$1"
        return
    fi
    local controller
    for controller in cpu cpuacct cpuset memory devices freezer blkio pids systemd hugetlb; do
        [ ! -d "/sys/fs/cgroup/$controller" ] || echo "/sys/fs/cgroup/$controller/pfc-node$1"
    done
}

# await SECONDS WHAT COMMAND...: until the command succeeds.
await() {
    local limit=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$limit" ] || die "$what: not in time; logs are in $state/log"
        sleep 0.1
    done
}
