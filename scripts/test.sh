#!/bin/sh
# Installs what the tests need and runs them all; arguments go to pytest. DRORCH_REQUIRE=all makes a test that
# misses a program or a privilege fail instead of being skipped.
set -eu
cd "$(dirname "$0")/.."
. scripts/setup.sh
setup tests
exec "$VENV/bin/python" -m pytest -n 2 "$@"
