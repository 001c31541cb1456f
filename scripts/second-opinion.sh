#!/bin/sh
# Installs Ceph and runs the tests that ask its S3 gateway for a second opinion; arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
. scripts/setup.sh
setup tests
for program in radosgw radosgw-admin ceph-mon ceph-osd ceph; do
    if ! command -v "$program" >/dev/null 2>&1; then
        install_packages radosgw ceph-mon ceph-osd ceph-common
        break
    fi
done
DRORCH_REQUIRE=all
export DRORCH_REQUIRE
exec "$VENV/bin/python" -m pytest -m second_opinion tests/storage/s3/test_second_opinion.py "$@"
