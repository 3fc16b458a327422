# Sourced by ./demo and ./test: makes the project's Python environment, once, in .venv.
#
#   environment EXTRAS   e.g. environment '' or environment '[test,postgresql]'
#
# PYTHON names the interpreter (3.11 or newer), GRMS_VENV another place for the environment;
# with GRMS_VENV_READY=1 that one is used as it is and nothing is installed into it.
# As root on Debian or Ubuntu it installs what is missing of Python's own parts; as an ordinary
# user it says what to install.

say() { echo "$0: $*" >&2; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if command -v "$candidate" >/dev/null &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    if [ -n "${PYTHON:-}" ]; then
        say "PYTHON=$PYTHON is not a Python 3.11 or newer"
    else
        say "Python 3.11 or newer is needed; as root: apt-get install python3 python3-venv"
    fi
    return 1
}

apt_install() { # as root; each package only if it is not there
    local apt=(apt-get -q -y -o DPkg::Lock::Timeout=300)
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "missing: $*; as root: apt-get install $*"
        return 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    "${apt[@]}" install --no-install-recommends "$@" >/dev/null 2>&1 ||
        { "${apt[@]}" update >/dev/null && "${apt[@]}" install --no-install-recommends "$@" >/dev/null; }
}

make_venv() { # make_venv PYTHON DIR
    "$1" -m venv "$2" >/dev/null 2>&1 && return
    rm -rf "$2"
    apt_install python3-venv && "$1" -m venv "$2"
}

environment() {
    local extras=$1 python stamp
    venv=${GRMS_VENV:-$root/.venv}
    [ "${GRMS_VENV_READY:-}" != 1 ] || return 0
    python=$(find_python)
    stamp=$venv/.made-from.$(cat "$root/setup.cfg" "$root/requirements.lock" | sha256sum | cut -c1-16)${extras//[^a-z]/-}
    [ ! -e "$stamp" ] || return 0
    say "making the Python environment in $venv (once)"
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || make_venv "$python" "$venv"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check \
        -c "$root/requirements.lock" -e "$root$extras"
    rm -f "$venv"/.made-from.*
    touch "$stamp"
}
