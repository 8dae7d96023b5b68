# shellcheck shell=bash
# What test/run, test/demo, test/kernels/run and test/bench/run share; sourced, not run.
# Gives: $root (the source tree), step, need_packages, build_preset, build_release.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Lets a clone beside this one use the same compiler cache; the last is for precompiled headers.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros

# die MESSAGE: the script itself cannot go on; 3 is "environment", as for podfence itself.
die() {
    echo "error: $*" >&2
    exit 3
}

# step TITLE COMMAND...: runs a command quietly, says how long it took, and shows what it printed
# only if it failed. Gives the command's status.
step() {
    local title=$1 log status=0 start=$SECONDS
    shift
    mkdir -p "$root/build/logs"
    log=$(mktemp "$root/build/logs/step.XXXXXX")
    printf '%-52s' "$title"
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" -eq 0 ]; then
        echo "ok      $((SECONDS - start)) s"
    else
        echo "FAILED  $((SECONDS - start)) s (status $status)"
        cat "$log"
    fi
    rm -f "$log"
    return "$status"
}

# packages_of GROUP...: the names listed in test/support/packages.
packages_of() {
    local group
    for group in "$@"; do
        grep -q "^$group:" "$root/test/support/packages" || die "no package group '$group'"
        sed -n "s/^$group://p" "$root/test/support/packages" | tr -s ' ' '\n' | sed '/^$/d'
    done | sort -u
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    local install=(apt-get install -y --no-install-recommends "$@")
    # Fresh machines have no package lists, long-lived ones have lists that name gone files.
    "${install[@]}" || { apt-get update && "${install[@]}"; }
}

# need_packages GROUP...: installs what is missing of these groups; needs root only then.
need_packages() {
    local names missing=() name
    names=$(packages_of "$@") || exit
    for name in $names; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] ||
            missing+=("$name")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    echo "missing Debian packages: ${missing[*]}"
    [ "$(id -u)" -eq 0 ] || die "installing them needs root: run this with sudo"
    step "apt-get install" apt_install "${missing[@]}" || die "apt-get could not install them"
}

# Prints ninja's progress: one changing line on a terminal, every quarter elsewhere, and all of what
# is not progress (the compiler's complaints).
show_progress() {
    local tty=0
    [ -t 1 ] && tty=1
    awk -v tty=$tty '
        match($0, /^\[[0-9]+\/[0-9]+\] /) {
            split(substr($0, 2, RLENGTH - 3), n, "/")
            if (tty) printf "\r\033[K  [%d/%d] %s", n[1], n[2], substr($0, RLENGTH + 1, 60)
            else if (n[2] >= 8 && int(n[1] * 4 / n[2]) > quarters) {
                quarters = int(n[1] * 4 / n[2])
                printf "  [%d/%d]\n", n[1], n[2]
            }
            fflush(); next
        }
        /^(-- |ninja: no work to do)/ { next }
        { if (tty) printf "\r\033[K"; print; fflush() }
        END { if (tty) printf "\r\033[K" }'
}

# build_preset NAME [TARGET...]: configures once and builds.
build_preset() {
    local preset=$1 start=$SECONDS
    shift
    if [ ! -e "$root/build/$preset/build.ninja" ]; then
        step "configure $preset" cmake -S "$root" --preset "$preset" || return
    fi
    if ! (
        set -o pipefail
        cd "$root"
        NINJA_STATUS='[%f/%t] ' cmake --build --preset "$preset" ${1:+--target "$@"} 2>&1 |
            show_progress
    ); then
        echo "FAILED: build $preset"
        return 1
    fi
    printf '%-52sok      %d s\n' "build $preset" "$((SECONDS - start))"
}

build_release() { build_preset release "$@"; }
