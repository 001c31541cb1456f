"""The doctor asks real databases: what is not there is told, and what is sound is not."""

import json
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.commandline import PASSWORD, drorch, new_repository
from tests.servers.postgresql import BACKUP_USER, Postgresql


def lines_of(
    tmp_path: Path, jobs: dict[str, tuple[str, str]], env: dict[str, str] | None = None
) -> dict[str, list[str]]:
    """What `drorch doctor` says of an installation with these jobs, beside which it finds nothing, by subject."""
    new_repository(tmp_path / "one")
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password").chmod(0o600)
    text = f'[drorch]\nstate_dir = "{tmp_path}/state"\n[targets.one]\ntype = "local"\npath = "{tmp_path}/one"\n'
    text += f'password = {{ file = "{tmp_path}/password" }}\n'
    text += "".join(
        f'[jobs.{name}]\nsource = {{ {source} }}\ntargets = ["one"]\n{more}\n' for name, (source, more) in jobs.items()
    )
    (tmp_path / "jobs.toml").write_text(text)
    told: dict[str, list[str]] = {}
    done = drorch("-c", tmp_path / "jobs.toml", "doctor", "--json", status=1, env=env)
    for line in done.stdout.splitlines():
        said = json.loads(line)
        if said["message_type"] == "symptom":
            assert said["mend"]
            told.setdefault(said["subject"], []).append(f"{said['severity']}: {said['message']}")
    return told


def test_a_database_in_a_file_is_opened_and_its_facts_are_asked_for(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "sound.db")) as made, made:
        made.execute("create table one (number integer)")
    sound, asking = f'type = "sqlite", path = "{tmp_path}/sound.db"', 'facts = {{ rows = "select count(*) from {}" }}'
    told = lines_of(
        tmp_path,
        {
            "sound": (sound, asking.format("one")),
            "unasked": (sound, asking.format("two")),
            "gone": (sound.replace("sound", "gone"), ""),
        },
    )
    assert set(told) == {"job gone", "job unasked"}
    [gone], [unasked] = told["job gone"], told["job unasked"]
    assert gone.startswith(f"error: database {tmp_path}/gone.db")
    assert unasked.startswith("error: fact rows: no such table")


def test_servers_that_are_not_there_are_told_without_their_passwords(tmp_path: Path) -> None:
    password = f'password = {{ file = "{tmp_path}/password" }}'
    with socket.socket() as closed:
        # Nobody listens there, and nobody else gets the port meanwhile.
        closed.bind(("127.0.0.1", 0))
        there = f'host = "127.0.0.1", port = {closed.getsockname()[1]}, user = "backup", {password}'
        told = lines_of(
            tmp_path,
            {
                "orders": (f'type = "postgresql", database = "orders", {there}', ""),
                "shop": (f'type = "mariadb", database = "shop", {there}', ""),
                "cache": (f'type = "redis", {there}', ""),
            },
        )
    assert set(told) == {"job orders", "job shop", "job cache"}
    for lines in told.values():
        assert any(line.startswith("error: ") for line in lines)
        assert PASSWORD not in "".join(lines)


def test_a_server_is_asked_with_the_password_that_the_job_refers_to(tmp_path: Path) -> None:
    with Postgresql() as server:
        server.create("orders")
        server.sql("orders", "create table orders (id int)")
        server.role("reader")
        there = f'host = "127.0.0.1", port = {server.port}, globals = false'
        source = f'type = "postgresql", {there}, database = "orders", user = "{{}}", password = {{{{ env = "{{}}" }}}}'
        sound, more = source.format(BACKUP_USER, "OF_BACKUP"), 'facts = { orders = "select count(*) from orders" }'
        told = lines_of(
            tmp_path,
            {
                "sound": (sound, more),
                "closed": (source.format("reader", "OF_READER"), ""),
                "refused": (source.format(BACKUP_USER, "OF_READER"), ""),
                "absent": (sound.replace('"orders"', '"ordres"'), ""),
                "untold": (source.format(BACKUP_USER, "OF_NOBODY"), ""),
            },
            {"OF_BACKUP": server.passwords[BACKUP_USER], "OF_READER": server.passwords["reader"]},
        )
        assert server.sql("orders", "select count(*) from orders") == [(0,)]
    assert set(told) == {"job closed", "job refused", "job absent", "job untold"}
    assert "may not read" in told["job closed"][0]
    assert "password authentication failed" in told["job refused"][0]
    assert "ordres" in told["job absent"][0]
    assert told["job untold"] == ["error: environment variable OF_NOBODY is not set"]
    assert not any(password in repr(told) for password in server.passwords.values())
