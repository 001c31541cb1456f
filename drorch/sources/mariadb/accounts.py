"""The accounts of a server and their rights, as statements that make them again.

Promise: an account that is there already keeps its password; it gets the rights recorded, and loses none.
"""

import re
from dataclasses import dataclass

from drorch.errors import DumpFailed
from drorch.sources.mariadb.server import ServerRefused, Session, quoted, text_of

COMPLETED = "-- Dump completed\n"
"""The last line of every whole dump."""

_OWN_ACCOUNTS = frozenset({"mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema"})
# ER_PASSWORD_NO_MATCH, ER_NONEXISTING_GRANT: an account by a host name where the server looks up none.
_NOT_IN_FORCE = frozenset({1133, 1141})
_IDENTITY = re.compile(r" IDENTIFIED (?:BY PASSWORD '[^']*'|(?:VIA|WITH) .*?)(?= REQUIRE | WITH (?:GRANT|MAX)|$)")


@dataclass(frozen=True, slots=True)
class Accounts:
    """The statements, the names ("shop@%"; a role has no host), and what is not among them."""

    statements: str
    names: tuple[str, ...]
    notes: tuple[str, ...]


def accounts_of(session: Session) -> Accounts:
    """The accounts of the server but its own. Raises `DumpFailed`."""
    try:
        return _found(session)
    except ServerRefused as fault:
        raise DumpFailed(
            f"the accounts of the server cannot be read: {fault.message}",
            hint="Grant the job's user SELECT on mysql.*, or write users = false.",
        ) from fault


def _found(session: Session) -> Accounts:
    made: list[str] = []
    granted: list[str] = []
    names: list[str] = []
    notes: list[str] = []
    for user, host, is_role in _listed(session):
        account = quoted(user) if is_role else f"{quoted(user)}@{quoted(host)}"
        name = user if is_role else f"{user}@{host}"
        try:
            created = f"CREATE ROLE {account}" if is_role else session.text(f"SHOW CREATE USER {account}")
            grants = session.texts(f"SHOW GRANTS FOR {account}")
        except ServerRefused as fault:
            if fault.number not in _NOT_IN_FORCE:
                raise
            notes.append(f"account {name} is not saved: the server does not know it (skip_name_resolve?)")
            continue
        names.append(name)
        made.append(re.sub(r"^CREATE (USER|ROLE) ", r"CREATE \1 IF NOT EXISTS ", created))
        granted += [_IDENTITY.sub("", grant) for grant in grants]
    # All are made before any gets a right: a right may be a role.
    lines = [f"{statement};\n" for statement in (*made, *dict.fromkeys(granted))]
    text = "-- Accounts and their rights\n" + "".join(lines) + COMPLETED
    return Accounts(text, tuple(names), tuple(notes))


def _listed(session: Session) -> list[tuple[str, str, bool]]:
    has_roles = bool(session.rows("SHOW COLUMNS FROM mysql.user LIKE 'is_role'"))
    role = "is_role" if has_roles else "'N'"
    found = session.rows(f"SELECT User, Host, {role} FROM mysql.user ORDER BY 3 DESC, User, Host")  # noqa: S608
    return [
        (text_of(user), text_of(host), text_of(is_role) == "Y")
        for user, host, is_role in found
        if text_of(user) not in _OWN_ACCOUNTS
    ]
