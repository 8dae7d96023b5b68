# shellcheck shell=bash
# Part of test/cluster/trial: the agent's proof with packets, and doctor's in the agent's pod.
# Sourced, not run.
# shellcheck disable=SC2154  # own, state and files are the trial's

# Instead of five minutes: the shortest that the agent takes.
period=10s

agents() { system get pods -l app.kubernetes.io/name=podfence -o jsonpath='{.items[*].metadata.name}'; }
agent_of() {
    system get pods -l app.kubernetes.io/name=podfence --field-selector "spec.nodeName=$1" \
        -o jsonpath='{.items[0].metadata.name}'
}
doctor() { system exec "$1" -- podfence doctor "${@:2}"; }

# metric POD NAME: its value, asked of the agent's port by way of the API server.
metric() {
    k get --raw "/api/v1/namespaces/podfence-system/pods/$1:9469/proxy/metrics" | sed -n "s/^$2 //p"
}
verified_is() { [ "$(metric "$1" podfence_enforcement_verified)" = "$2" ]; }
# Whatever its exit status, which says whether the node enforces.
status_has() { grep -q "$2" <<<"$(system exec "$1" -- podfence status)"; }
is_ready() { system wait "pod/$1" --for="condition=Ready=$2" --timeout=60s; }

# says STATUS TEXT COMMAND...: that is its exit status, and what it prints has the text.
says() {
    local status=0 said
    said=$("${@:3}" 2>&1) || status=$?
    echo "$said"
    [ "$status" -eq "$1" ] && grep -qe "$2" <<<"$said"
}

with_canary() {
    local pod
    k kustomize manifests/overlays/canary | sed "s/^\( *- --canary\)$/\1=$period/" >"$files/canary.yaml"
    all grep -q -- "- --canary=$period" "$files/canary.yaml" --- k apply -f "$files/canary.yaml" \
        --- installed || return
    for pod in $(agents); do
        all soon verified_is "$pod" 1 --- status_has "$pod" "proof *packets met the rules" || return
    done
}

# Rules are loaded as ever, and what the bridge carries no longer comes by them.
bypass_is_noticed() {
    local pod status=0
    pod=$(agent_of node1)
    in_node 1 sysctl -qw net.bridge.bridge-nf-call-iptables=0
    all soon verified_is "$pod" 0 --- is_ready "$pod" false --- \
        status_has "$pod" "NOT ENFORCING, though in sync" --- \
        says 1 "POLICIES ARE NOT ENFORCED" doctor "$pod" --self-test || status=1
    in_node 1 sysctl -qw net.bridge.bridge-nf-call-iptables=1
    all soon verified_is "$pod" 1 --- is_ready "$pod" true --- status_has "$pod" "ENFORCING" &&
        [ "$status" -eq 0 ]
}

# The base's agent, told to do it by the ConfigMap: it says what it lacks, and is as ready as before.
canary_without_right() {
    local pod status=0
    all system create configmap podfence --from-literal="config.yaml=canary: $period" \
        --- k apply -k manifests/ --- system rollout restart daemonset/podfence --- installed || return
    for pod in $(agents); do
        all soon status_has "$pod" "proof *could not be tried .*CAP_SYS_ADMIN" \
            --- verified_is "$pod" 0 --- is_ready "$pod" true \
            --- says 0 "could not be tried with packets.*CAP_SYS_ADMIN" system logs "$pod" \
            --- says 0 "ENFORCING" system exec "$pod" -- podfence status || status=1
    done
    all system delete configmap podfence --- system rollout restart daemonset/podfence \
        --- installed || return
    return $status
}

doctor_everywhere() { # doctor_everywhere STATUS TEXT OPTION...
    local pod
    for pod in $(agents); do soon says "$1" "$2" doctor "$pod" "${@:3}" || return; done
}

try_canary() {
    check "doctor in the agents' pods finds nodes that can enforce" \
        doctor_everywhere 0 "this node can enforce"
    check "its self-test there lacks SYS_ADMIN, and says so" \
        doctor_everywhere 3 "CAP_SYS_ADMIN" --self-test
    check "overlays/canary: ready, and verified by packets" with_canary
    check "doctor's self-test has what it takes there" \
        doctor_everywhere 0 "this node enforces: proven with packets" --self-test
    if [ "$own" -eq 0 ]; then
        skip "packets pass by the rules, then meet them again" "only nodes of test/cluster/up are touched"
    elif [ "$(cat "$state/cni")" != bridge ]; then
        skip "packets pass by the rules, then meet them again" "done by br_netfilter, on a bridge"
    else
        check "packets pass by the rules: unready; they meet them again: ready" bypass_is_noticed
    fi
    check "a canary without its right says so, ready and not verified" canary_without_right
}
