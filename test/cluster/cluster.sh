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

# shellcheck disable=SC2034  # used by those who source this
control4=10.245.0.1 control6=fd00:10:245::1
# shellcheck disable=SC2034
server=https://$control4:6443
node4() { echo "10.245.0.1$1"; }
node6() { echo "fd00:10:245::1$1"; }
pods4() { echo "10.244.$1.0/24"; }
pods6() { echo "fd00:10:244:$1::/64"; }
# shellcheck disable=SC2034
services=10.96.0.0/16,fd00:10:96::/112 service4=10.96.0.1
# shellcheck disable=SC2034
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

# iptables_of MODE: which of Debian's two iptables is the one that kubelet and kube-proxy find.
iptables_of() { if [ "$1" = iptables-legacy ]; then echo legacy; else echo nft; fi; }

# proxy_missing MODE: prints why kube-proxy cannot do that here; fails if it can.
proxy_missing() {
    local said
    case $1 in
        ipvs)
            said=$(unshare --net ipvsadm --list 2>&1) && return 1
            echo "Linux $(uname -r) has no IPVS (CONFIG_IP_VS): $(head -n 1 <<<"$said")"
            ;;
        iptables*)
            said=$(unshare --net "iptables-$(iptables_of "$1")" --table nat --append OUTPUT \
                --match comment --comment test --jump MARK --or-mark 0x4000 2>&1) && return 1
            echo "Linux $(uname -r) does not take its rules: $(tail -n 1 <<<"$said")"
            ;;
        *) return 1 ;;
    esac
}

# busybox_into DIRECTORY: Debian's, with all its names, as the beginning of an image.
busybox_into() {
    local program
    mkdir -p "$1/bin" "$1/tmp"
    for program in $(/bin/busybox --list); do ln -s busybox "$1/bin/$program"; done
    cp --remove-destination /bin/busybox "$1/bin/"
}

# cgroup v1 has a folder of a node for every controller, v2 has one.
node_cgroups() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        echo "/sys/fs/cgroup/pfc-node$1"
        return
    fi
    local controller
    for controller in cpu cpuacct cpuset memory devices freezer blkio pids systemd hugetlb unified; do
        [ ! -d "/sys/fs/cgroup/$controller" ] || echo "/sys/fs/cgroup/$controller/pfc-node$1"
    done
}

# await SECONDS WHAT COMMAND...: until the command succeeds. What is only to be seen by asking again.
await() {
    local limit=$((SECONDS + $1)) what=$2 status
    shift 2
    until "$@" >/dev/null 2>&1; do
        status=$?
        # 3 is what cannot succeed any more, see die.
        if [ "$status" -eq 3 ] || [ "$SECONDS" -ge "$limit" ]; then
            die "$what: $([ "$status" -eq 3 ] && echo ended || echo 'not in time'); logs are in $state/log"
        fi
        sleep 0.1
    done
}

# The rest is for trial and latency, which work on any cluster: KUBECONFIG's, else that of `up`.

k() { if [ -n "${KUBECONFIG:-}" ]; then kubectl "$@"; else "$here/kubectl" "$@"; fi; }
in_trial() { k -n podfence-trial "$@"; }

# make_trial_images FOLDER: podfence.tar and podfence-trial.tar, from the release build.
make_trial_images() {
    local folder=$1
    build_release podfence podfence-cni podfence_probe || exit 1
    mkdir -p "$folder"
    rm -rf "$folder/podfence-trial"
    "$root/manifests/image" -o "$folder/podfence.tar"
    "$root/manifests/image" --binary "$root/build/release/test/podfence_probe" \
        --program podfence_probe --root "$folder/podfence-trial"
    busybox_into "$folder/podfence-trial"
    "$root/manifests/pack" "$folder/podfence-trial.tar" podfence-trial:latest \
        "$folder/podfence-trial" /usr/bin/podfence_probe
    rm -rf "$folder/podfence-trial"
}

# To the nodes of the cluster of `up`.
give_trial_images() {
    make_trial_images "$state/images"
    "$here/image" "$state"/images/podfence{,-trial}.tar >/dev/null
}

# The pods of trial.yaml, all ready, and nothing of a former trial.
start_trial() {
    local app
    k delete namespace podfence-trial --ignore-not-found --timeout=120s >/dev/null
    k apply -f "$here/trial.yaml" >/dev/null
    for app in server friend stranger; do
        in_trial rollout status "deploy/$app" --timeout=120s >/dev/null || die "no pod of $app"
    done
}
end_trial() { k delete namespace podfence-trial --timeout=120s >/dev/null; }

# addresses_of APP: of all families, of all its pods that are to stay.
addresses_of() {
    in_trial get pods -l "app=$1" -o go-template='{{range .items}}{{if not .metadata.deletionTimestamp}}
        {{- range .status.podIPs}}{{.ip}} {{end}}{{end}}{{end}}'
}
