# shellcheck shell=bash
# Sourced by the *-up and *-down scripts of this directory: what they share.
# Exit status 3 means "this machine cannot have it"; tests skip on it.

testbed=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
me=$(basename "$0")
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH DEBIAN_FRONTEND=noninteractive LC_ALL=C

say() { echo "$me: $*" >&2; }
cannot() { say "$*"; exit 3; }
require_root() { [ "$(id -u)" = 0 ] || cannot "needs root"; }

# one_at_a_time: hold a lock until this script ends. Daemons must not inherit
# descriptor 9; start them with detached.
one_at_a_time() {
    exec 9>"/run/lock/grms-testbed-${me%-*}"
    flock 9
}

# await SECONDS COMMAND...: until COMMAND succeeds.
await() {
    local deadline=$((SECONDS + $1))
    shift
    while ! "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $deadline ]; then
            say "waited in vain for: $*"
            "$@" >&2  # its last word, for whoever reads this
            return 1
        fi
        sleep 0.1
    done
}

# install_packages PACKAGE...: from the distribution, without starting their daemons.
install_packages() {
    local guard=/usr/sbin/policy-rc.d made=no status=0
    local apt=(apt-get -q -y -o DPkg::Lock::Timeout=600)
    say "installing $*"
    "${apt[@]}" update >&2 || cannot "apt-get update failed"
    apt-cache show "$@" >/dev/null 2>&1 || cannot "this distribution lacks one of: $*"
    if [ ! -e $guard ]; then
        printf '#!/bin/sh\nexit 101\n' >$guard
        chmod 755 $guard
        made=yes
    fi
    "${apt[@]}" install --no-install-recommends "$@" >&2 || status=$?
    [ $made = no ] || rm -f $guard
    [ $status = 0 ] || cannot "apt-get could not install: $*"
}

# The host's own name must resolve, or most batch systems refuse to start.
name_this_host() {
    getent hosts "$(hostname)" >/dev/null || echo "127.0.0.1 $(hostname)" >>/etc/hosts
}

# have_user NAME: an ordinary account with a home directory.
have_user() { id "$1" >/dev/null 2>&1 || useradd -m -s /bin/bash "$1"; }

# as_user NAME COMMAND-TEXT: from /, which everybody may enter.
as_user() { (cd / && su -s /bin/sh "$1" -c "$2"); }

# build_loopback DIRECTORY: sets $loopback to the library that loopback.c describes.
build_loopback() {
    loopback=$1/loopback.so
    if [ ! "$loopback" -nt "$testbed/loopback.c" ]; then
        gcc -shared -fPIC -O2 -Wall -o "$loopback.new" "$testbed/loopback.c" -ldl
        mv "$loopback.new" "$loopback"
    fi
}

# detached LOGFILE COMMAND...: in a session of its own, without our descriptors.
detached() {
    local log=$1
    shift
    setsid "$@" </dev/null >>"$log" 2>&1 9>&-
}

# living PIDFILE NAME: prints the pid if the file names a live process of that name.
living() {
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 1
    [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] &&
        ! is_gone "$pid" && echo "$pid"
}

# is_gone PID: a zombie is gone too, where process 1 never reaps.
is_gone() { ! grep -q '^State:[[:space:]]*[^ZX]' "/proc/$1/status" 2>/dev/null; }

# stop_daemons NAME PIDFILE...: TERM to all, then KILL to whoever stays.
stop_daemons() {
    local name=$1 file pid pids=()
    shift
    for file; do
        if pid=$(living "$file" "$name"); then
            kill "$pid"
            pids+=("$pid")
        fi
    done
    for pid in ${pids[@]+"${pids[@]}"}; do
        await 15 is_gone "$pid" || kill -KILL "$pid" || true
    done
}
