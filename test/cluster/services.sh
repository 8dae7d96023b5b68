# shellcheck shell=bash
# Part of test/cluster/trial: what policies see of connections through Services whose rules the
# cluster's own kube-proxy makes, line by line as the README's table has it. Sourced, not run.
# shellcheck disable=SC2154  # own, control4 and control6 are the trial's

in_services() { k -n trial-services "$@"; }

# of POD: its addresses; those of node-a and node-b are their nodes'.
of() { in_services get pod "$1" -o go-template='{{range .status.podIPs}}{{.ip}} {{end}}'; }

start_services() {
    local nodes
    mapfile -t nodes < <(k get nodes -o name | cut -d/ -f2)
    k delete namespace trial-services --ignore-not-found --timeout=120s &&
        sed "s/NODE_A/${nodes[0]}/; s/NODE_B/${nodes[1]:-${nodes[0]}}/" test/cluster/services.yaml |
        k apply -f - && in_services wait pod --all --for=condition=Ready --timeout=120s
}

# comes CLIENT all|none PORT ADDRESS...: whether the client reaches them. `outside` is the machine that the
# nodes are connected by.
comes() {
    if [ "$1" = outside ]; then
        ip netns exec pfc-control build/release/test/podfence_probe reach "${@:2}"
    else
        in_services exec "$1" -- podfence_probe reach "${@:2}"
    fi
}

# judge POD ingress|egress RULES: the only policy there is, made for this pod.
judge() {
    in_services apply -f - <<<"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy,
        metadata: {name: judge}, spec: {podSelector: {matchLabels: {app: $1}},
        policyTypes: [${2^}], $2: $3}}"
}
# rules from|to PORT ADDRESS...: these addresses only; `not` before the port: all but these.
rules() {
    local key=$1 but=0 port address peers=''
    shift
    if [ "$1" = not ]; then but=1; shift; fi
    port=$1
    shift
    for address in "$@"; do
        local all=0.0.0.0/0 length=32
        [[ $address != *:* ]] || all=::/0 length=128
        if [ "$but" -eq 1 ]; then
            peers+="{ipBlock: {cidr: '$all', except: ['$address/$length']}}, "
        else
            peers+="{ipBlock: {cidr: '$address/$length'}}, "
        fi
    done
    echo "[{$key: [$peers], ports: [{port: $port}]}]"
}

# is_seen CLIENT PORT "ADDRESS..." "SOURCE..." ["DESTINATION..." PORT]: a connection to there is
# judged for the pod's ingress as one from these sources, and for the client's egress as one to these
# destinations. Each policy turns round what the one before it did, so that what is seen is its work.
is_seen() {
    local client=$1 port=$2 to from seen port_seen=${6:-}
    read -ra to <<<"$3"
    read -ra from <<<"$4"
    read -ra seen <<<"${5:-}"
    local opens=(soon comes "$client" all "$port" "${to[@]}") closed=(soon comes "$client" none "$port" "${to[@]}")
    all in_services delete networkpolicy --all --- "${opens[@]}" \
        --- judge behind ingress "$(rules from not 8080 "${from[@]}")" --- "${closed[@]}" \
        --- judge behind ingress "$(rules from 8080 "${from[@]}")" --- "${opens[@]}" || return
    [ "${#seen[@]}" -gt 0 ] || return 0
    all judge "$client" egress "$(rules to not "$port_seen" "${seen[@]}")" --- "${closed[@]}" \
        --- judge "$client" egress "$(rules to "$port_seen" "${seen[@]}")" --- "${opens[@]}"
}

# is_let_in CLIENT PORT "ADDRESS...": even by a pod that lets nobody else in. By that pod itself,
# even if it may not send to anybody.
is_let_in() {
    local client=$1 port=$2 to
    read -ra to <<<"$3"
    all in_services delete networkpolicy --all --- soon comes beside all "$port" "${to[@]}" \
        --- judge behind ingress '[]' --- soon comes beside none "$port" "${to[@]}" \
        --- soon comes "$client" all "$port" "${to[@]}" || return
    [ "$client" = behind ] || return 0
    local other
    other=$(of beside)
    # shellcheck disable=SC2086
    all soon comes behind all 8080 $other --- judge behind egress '[]' \
        --- soon comes behind none 8080 $other --- soon comes behind all "$port" "${to[@]}"
}

try_services() {
    local ip node_port local_port node_a node_b behind beside elsewhere
    local failed_before=$failed
    check "Services: a pod behind them, and those who come through them" start_services
    [ "$failed" -eq "$failed_before" ] || return 0
    ip=$(in_services get service everywhere -o go-template='{{range .spec.clusterIPs}}{{.}} {{end}}')
    node_port=$(in_services get service everywhere -o jsonpath='{.spec.ports[0].nodePort}')
    local_port=$(in_services get service local -o jsonpath='{.spec.ports[0].nodePort}')
    node_a=$(of node-a) behind=$(of behind) beside=$(of beside)
    node_b=$(of node-b) elsewhere=$(of elsewhere)
    check "ClusterIP, from a pod beside" is_seen beside 80 "$ip" "$beside" "$behind" 8080
    check "ClusterIP, from the pod itself" is_let_in behind 80 "$ip"
    check "ClusterIP, from the pod's own node" is_let_in node-a 80 "$ip"
    check "NodePort of its own node, from a pod beside" \
        is_seen beside "$node_port" "$node_a" "$beside" "$behind" 8080
    if [ "$node_a" = "$node_b" ]; then
        skip "Services across nodes" "the cluster has one"
    else
        check "ClusterIP, from a pod of another node" \
            is_seen elsewhere 80 "$ip" "$elsewhere" "$behind" 8080
        check "ClusterIP, from another node" is_seen node-b 80 "$ip" "$node_b"
        check "NodePort of its own node, from a pod of another node" \
            is_seen elsewhere "$node_port" "$node_b" "$node_b" "$behind" 8080
        check "NodePort of another node, from a pod" \
            is_seen elsewhere "$node_port" "$node_a" "$elsewhere" "$node_a" "$node_port"
    fi
    if [ "$own" -eq 0 ]; then
        skip "Services from outside" "only with the cluster of test/cluster/up is it known who that is"
    else
        local outside="$control4 $control6"
        check "NodePort of the pod's node, from outside" is_seen outside "$node_port" "$node_a" "$outside"
        check "NodePort with Local, from outside" is_seen outside "$local_port" "$node_a" "$outside"
        [ "$node_a" = "$node_b" ] || check "NodePort of another node, from outside" \
            is_seen outside "$node_port" "$node_b" "$node_b"
    fi
    k delete namespace trial-services --timeout=120s >/dev/null
}
