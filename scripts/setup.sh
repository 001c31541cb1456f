#!/bin/sh
# Makes the virtual environment .venv and installs what is missing: `sh scripts/setup.sh`, or sourced by the
# other scripts, which then call `setup demo` or `setup tests`. Fast and silent where nothing is missing.
# DRORCH_READY=1 says that the environment is prepared already.

VENV=.venv
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
RESTIC_CURRENT_VERSION=v0.18.1

say() { printf 'setup: %s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# quietly LABEL COMMAND...: one line when it works, the end of its output when it does not.
quietly() {
    label=$1
    shift
    log=$(mktemp)
    if "$@" >"$log" 2>&1 </dev/null; then
        rm -f "$log"
        say "$label: done"
    else
        tail -n 30 "$log" >&2
        rm -f "$log"
        say "$label: failed"
        return 1
    fi
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@" || sudo "$@" </dev/tty; fi
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o DPkg::Lock::Timeout=300 "$@"
}

apt_install() {
    apt_get install --no-install-recommends "$@" || { apt_get update && apt_get install --no-install-recommends "$@"; }
}

POLICY=/usr/sbin/policy-rc.d

# The tests start servers of their own: the packages' services are not started, so that nothing listens that did not before.
apt_install_quietly() (
    if [ ! -e "$POLICY" ]; then
        trap 'as_root rm -f "$POLICY"' EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM HUP
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null || exit 1
        as_root chmod 755 "$POLICY" || exit 1
    fi
    apt_install "$@"
)

# Nor do they at the next boot; who wants them for more than tests enables them.
stay_off() {
    command -v systemctl >/dev/null 2>&1 || return 0
    for package in "$@"; do
        case $package in
        openssh-server) as_root systemctl disable ssh.service ssh.socket || return 1 ;;
        postgresql) as_root systemctl disable postgresql.service || return 1 ;;
        mariadb-server) as_root systemctl disable mariadb.service || return 1 ;;
        redis-server) as_root systemctl disable redis-server.service || return 1 ;;
        esac
    done
}

install_packages() {
    [ $# -gt 0 ] || return 0
    command -v apt-get >/dev/null 2>&1 || fail "please install: $*"
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null 2>&1 || fail "please install as root: apt-get install $*"
    quietly "packages $*" apt_install_quietly "$@" || exit 1
    stay_off "$@" >/dev/null 2>&1 || say "the services of $* start at the next boot"
}

can_make_venv() {
    "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for python in python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11; do
        if can_make_venv "$python"; then
            printf '%s\n' "$python"
            return 0
        fi
    done
    return 1
}

make_venv() {
    if "$VENV/bin/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        return 0
    fi
    find_python >/dev/null || install_packages python3 python3-venv
    python=$(find_python) || fail "no Python 3.11 or later that can make a virtual environment"
    quietly "virtual environment $VENV with $("$python" --version)" "$python" -m venv --clear "$VENV" || exit 1
}

# The state an installation was made for: requirements, place and interpreter.
requirements_state() {
    { cat pyproject.toml; pwd; "$VENV/bin/python" --version; } | sha256sum | cut -d ' ' -f 1
}

install_python_packages() {
    stamp=$VENV/.installed-for-$1
    state=$(requirements_state)
    [ "$(cat "$stamp" 2>/dev/null)" != "$state" ] || return 0
    pip="$VENV/bin/python -m pip --quiet --disable-pip-version-check --no-input install"
    quietly "pip" $pip --upgrade 'pip>=25.1' || exit 1
    if [ "$1" = tests ]; then
        quietly "drorch and what its tests need" $pip --editable . --group dev || exit 1
    else
        quietly "drorch" $pip --editable . || exit 1
    fi
    printf '%s\n' "$state" >"$stamp"
}

build_current_restic() {
    module=$(mktemp -d)
    printf 'module peer\n\ngo 1.24\n\nrequire github.com/restic/restic %s\n' "$RESTIC_CURRENT_VERSION" >"$module/go.mod"
    printf '//go:build tools\n\npackage peer\n\nimport _ "github.com/restic/restic/cmd/restic"\n' >"$module/tools.go"
    place=$(pwd)/$VENV/bin
    (
        cd "$module" || exit 1
        timeout 300 go mod tidy &&
            CGO_ENABLED=0 timeout 600 go build -o "$place/restic-current.new" github.com/restic/restic/cmd/restic &&
            mv "$place/restic-current.new" "$place/restic-current"
    )
    built=$?
    rm -rf "$module"
    return $built
}

# A second, newer judge of the format than the distribution's; the tests that want it say so when it is absent.
offer_current_restic() {
    current=$(pwd)/$VENV/bin/restic-current
    if [ ! -x "$current" ] && command -v go >/dev/null 2>&1; then
        quietly "restic $RESTIC_CURRENT_VERSION from source" build_current_restic ||
            say "going on without restic $RESTIC_CURRENT_VERSION"
    fi
    if [ -x "$current" ]; then
        DRORCH_RESTIC_CURRENT=${DRORCH_RESTIC_CURRENT:-$current}
        export DRORCH_RESTIC_CURRENT
    fi
}

missing_test_packages() {
    command -v make >/dev/null 2>&1 || echo make
    command -v restic >/dev/null 2>&1 || echo restic
    command -v git >/dev/null 2>&1 || echo git
    command -v setfacl >/dev/null 2>&1 || echo acl
    command -v setfattr >/dev/null 2>&1 || echo attr
    command -v setcap >/dev/null 2>&1 || echo libcap2-bin
    command -v mkfs.btrfs >/dev/null 2>&1 || [ -x /usr/sbin/mkfs.btrfs ] || [ -x /sbin/mkfs.btrfs ] || echo btrfs-progs
    command -v strace >/dev/null 2>&1 || echo strace
    command -v sshd >/dev/null 2>&1 || echo openssh-server
    command -v ssh >/dev/null 2>&1 || echo openssh-client
    command -v systemd-analyze >/dev/null 2>&1 || echo systemd
    ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || echo postgresql
    { command -v mariadbd && command -v mariadb-dump; } >/dev/null 2>&1 || echo mariadb-server
    command -v mariabackup >/dev/null 2>&1 || echo mariadb-backup
    command -v redis-server >/dev/null 2>&1 || echo redis-server
    command -v sqlite3 >/dev/null 2>&1 || echo sqlite3
}

# setup demo|tests
setup() {
    [ "${DRORCH_READY:-}" != 1 ] || return 0
    if [ "$1" = tests ]; then
        # shellcheck disable=SC2046  # one word per package is what is wanted
        install_packages $(missing_test_packages)
    fi
    make_venv
    install_python_packages "$1"
    if [ "$1" = tests ]; then
        offer_current_restic
    fi
}

case ${0##*/} in
setup.sh)
    set -eu
    cd "$(dirname "$0")/.."
    setup tests
    ;;
esac
