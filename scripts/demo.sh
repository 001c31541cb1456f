#!/bin/sh
# Installs drorch into .venv, then proves on real files and on a database that what it backs up comes back: two backups
# with changes between them, every stored byte read and verified, a restore, and a comparison byte for byte and row by row.
# DRORCH_DEMO_PAUSE names a command that is run with the repository's path after the backups, before the check; DRORCH_BIN
# the drorch to use.
set -eu
umask 077
cd "$(dirname "$0")/.."
. scripts/setup.sh
setup demo

export LC_ALL=C.UTF-8
drorch=${DRORCH_BIN:-$(pwd)/$VENV/bin/drorch}
place=$(mktemp -d)
trap 'chmod -R u+rwX "$place" 2>/dev/null; rm -rf "$place"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
python=$(dirname "$drorch")/python
database=$place/shop.db database_restored=$place/shop_restored.db
tree=$place/tree repository=$place/repository restored=$place/restored password=$place/password

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

title() { printf '\n== %s\n' "$*"; }

# timed COMMAND...: runs it and says how long it took; the demo ends at the first one that fails.
timed() {
    began=$(milliseconds)
    status=0
    "$@" || status=$?
    took=$(($(milliseconds) - began))
    if [ "$status" -ne 0 ]; then
        printf '\nFAILED: %s ended with exit code %s\n' "$1 $2" "$status" >&2
        exit "$status"
    fi
    printf '   [%d.%03d s]\n' $((took / 1000)) $((took % 1000))
}

kibibytes() { du -sk "$1" | cut -f 1; }

# Copies real files of this machine, about so many KiB of them.
gather() {
    find /etc/alternatives /etc/default /etc/ssl/certs /usr/share/zoneinfo /usr/lib/python3 /usr/share \
        -xdev ! -type d \( -type l -o -readable \) -printf '%k %p\n' 2>/dev/null |
        awk -v budget="$1" '{ total += $1 } total > budget { exit } { sub(/^[0-9]+ /, ""); print }' >"$place/list"
    tar -C / -cf - --no-recursion --verbatim-files-from -T "$place/list" 2>/dev/null | tar -xf - -C "$tree"
}

plant() {
    mkdir -p "$tree/odd names/empty folder"
    gather 25000
    head -c 9000000 /dev/urandom >"$tree/random.bin"
    truncate -s 64M "$tree/sparse.img"
    printf 'the end' | dd of="$tree/sparse.img" bs=1 seek=67000000 conv=notrunc status=none
    printf 'one file, three names\n' >"$tree/odd names/one"
    ln "$tree/odd names/one" "$tree/odd names/two"
    ln "$tree/odd names/one" "$tree/three"
    ln -s ../random.bin "$tree/odd names/link"
    ln -s /nowhere/at/all "$tree/odd names/dangling link"
    printf 'x' >"$tree/odd names/-dash"
    printf 'x' >"$tree/odd names/$(printf 'line\nbreak \342\202\254 "quoted" \\ back')"
    printf 'x' >"$tree/odd names/$(printf 'not UTF-8: \377\376')" || true
    : >"$tree/odd names/empty"
    printf 'secret' >"$tree/odd names/closed"
    chmod 0400 "$tree/odd names/closed"
    touch -d '1999-12-31 23:59:59.123456789' "$tree/odd names/one"
    chmod 1777 "$tree/odd names/empty folder"
}

change() {
    printf 'more' >>"$tree/odd names/one"
    printf 'patched' | dd of="$tree/random.bin" bs=1 seek=5000000 conv=notrunc status=none
    printf 'new\n' >"$tree/new file"
    mv "$tree/odd names/link" "$tree/moved link"
    rm "$tree/odd names/-dash"
    chmod 0750 "$tree/odd names/empty"
}

# What `diff` does not see: kinds, modes, owners, times, link counts, link targets.
metadata() {
    (cd "$1" && find . \( -type d -printf '%P\t%y\t%m\t%U:%G\t%T@\n' \) -o -printf '%P\t%y\t%m\t%U:%G\t%T@\t%n\t%s\t%l\n') | LC_ALL=C sort
}

compare() {
    diff -r --no-dereference "$tree" "$restored$tree" &&
        metadata "$tree" >"$place/before" &&
        metadata "$restored$tree" >"$place/after" &&
        diff "$place/before" "$place/after"
}

# A database in WAL mode, with rows that are in its log only: the connection is never closed.
plant_database() {
    "$python" - "$database" <<'EOF'
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("PRAGMA journal_mode = WAL")
database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, cents INTEGER NOT NULL, note BLOB)")
rows = ((number, f"customer {number % 997}", number * 7, os.urandom(100)) for number in range(30_000))
database.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", rows)
database.execute("CREATE INDEX by_customer ON orders (customer)")
database.commit()
os._exit(0)
EOF
}

# Asks both databases for all that is in them, without drorch.
compare_databases() {
    "$python" - "$database" "$database_restored" <<'EOF'
import itertools, sqlite3, sys
both = [sqlite3.connect(path).iterdump() for path in sys.argv[1:]]
lines = 0
for lines, (one, other) in enumerate(itertools.zip_longest(*both), 1):
    if one != other:
        sys.exit(f"the databases differ: {one} and {other}")
print(f"{lines} statements make either of them")
EOF
}

configure() {
    cat >"$place/jobs.toml" <<EOF
[drorch]
state_dir = "$place/state"

[targets.demo]
type = "local"
path = "$repository"
password = { file = "$password" }

[jobs.tree]
source = { type = "files", paths = ["$tree"] }
targets = ["demo"]
schedule = "every 4h"
objectives = { rpo = "8h" }

[jobs.shop]
source = { type = "sqlite", path = "$database" }
facts = { cents = "select sum(cents) from orders" }
targets = ["demo"]
EOF
}

drorch() { "$drorch" -c "$place/jobs.toml" "$@"; }

started=$(milliseconds)
printf 'demo password\n' >"$password"
plant
plant_database
files=$(find "$tree" -type f -printf x | wc -c)
title "A tree of $files files, $(kibibytes "$tree") KiB, with links, a sparse file and odd names; a database of 30000 rows"

title "Jobs that save them, and a new repository"
configure
drorch config check
timed drorch init -t demo

title "First backup"
timed drorch run tree
first=$(kibibytes "$repository")

title "Some files change, then the second backup"
change
timed drorch run tree
second=$(kibibytes "$repository")

title "The database is copied, checked and saved"
timed drorch run shop

title "What is there, and what became of one file"
timed drorch snapshots -t demo
timed drorch history "$tree/random.bin"

if [ -n "${DRORCH_DEMO_PAUSE:-}" ]; then
    $DRORCH_DEMO_PAUSE "$repository"
fi

title "Every stored byte is read and verified"
timed drorch check -t demo --read-data

title "The newest snapshot of the tree is restored"
timed drorch restore latest:tree -t demo --to "$restored"

title "The restored tree is compared with the original, byte for byte"
timed compare tree restored

title "The database is restored to another file, and compared with what was true of it when it was saved"
timed drorch restore latest:shop -t demo --into "$database_restored"

title "Both databases are asked for all that is in them"
timed compare_databases both

judge=
if command -v restic >/dev/null 2>&1; then
    title "A stranger's tool reads it: $(restic version | cut -d ' ' -f 1,2)"
    timed restic --quiet --no-cache --repo "$repository" --password-file "$password" check --read-data
    judge="
  - restic, which knows nothing of drorch, finds the repository sound;"
fi

title "Where the jobs stand"
timed drorch status

took=$(($(milliseconds) - started))
cat <<EOF

PROVEN in $((took / 1000)).$(printf '%03d' $((took % 1000))) s:
  - $files files were backed up encrypted into $first KiB, the changed tree again into $((second - first)) KiB more;
  - every stored byte was read back and is what its name says;$judge
  - the restored tree equals the original: contents, kinds, modes, owners, times, link counts and link targets;
  - the restored database agrees with the facts that were recorded with it, and holds what the original holds.
EOF
