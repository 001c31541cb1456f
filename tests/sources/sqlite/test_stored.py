"""What a change of a database stores, and that a snapshot holds the very file, which a stranger's tool gives, too."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.commandline import PASSWORD
from tests.cli.databases.running import Place
from tests.restic import Restic, restic
from tests.sources.sqlite.databases import ask, make

ROWS = 100_000


def test_one_percent_of_neighbouring_rows_stores_a_tenth_at_most(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    make(path, "wal", rows=ROWS)
    place = Place(tmp_path, f'{{ type = "sqlite", path = "{path}" }}')
    assert place.run().status == 0
    first = _stored(place)
    assert first > ROWS * 1000
    with closing(sqlite3.connect(path)) as database:
        changed = (ROWS // 2, ROWS // 2 + ROWS // 100)
        database.execute("UPDATE ballast SET content = randomblob(1000) WHERE id BETWEEN ? AND ?", changed)
        database.commit()
    assert place.run().status == 0
    assert _stored(place) - first <= first / 10
    copy = tmp_path / "copy.db"
    repository = place.folder / "one"
    words = ("dump", "--tag", "drorch:job=orders", "latest", "/sqlite/shop.sqlite")
    copy.write_bytes(restic(Restic.DEBIAN, repository, *words, password=PASSWORD).stdout)
    assert ask(copy, "PRAGMA integrity_check") == "ok"
    query = "SELECT count(*) || hex(group_concat(substr(content, 1, 4))) FROM ballast"
    assert ask(copy, query) == ask(path, query)


def _stored(place: Place) -> int:
    return sum(file.stat().st_size for file in (place.folder / "one" / "data").rglob("*") if file.is_file())
