"""Databases that hold what is hard to dump and to put back."""

import secrets

from tests.servers.mariadb import MariaDB

ODD = "Odd `näme` \\n 'x'\t€"
ALL_BYTES = bytes(range(256)) * 3

RICH = (
    "CREATE TABLE accounts (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50) NOT NULL, balance DECIMAL(12,2)"
    " NOT NULL DEFAULT 0, kind ENUM('a','b'), twice DECIMAL(13,2) AS (balance * 2) STORED,"
    " half DECIMAL(13,2) AS (balance / 2) VIRTUAL, CHECK (balance > -1000), KEY (name(10)), FULLTEXT (name))",
    "INSERT INTO accounts (name, balance, kind) SELECT CONCAT('n', seq), 100, 'a' FROM seq_1_to_500",
    "CREATE TABLE empty (a INT)",
    "CREATE TABLE texts (t MEDIUMTEXT)",
    "INSERT INTO texts VALUES ('),\\n('), (');\\nUNLOCK TABLES;\\n'), (NULL), (''), ('\\\\'), ('it''s \"'), ('🦆 € ä'),"
    " ('\\nINSERT INTO `texts` VALUES\\n('), (REPEAT('),(', 200000)), ('\\0\\r\\Z')",
    "CREATE TABLE numbers (f FLOAT, d DOUBLE, e DECIMAL(30,10), b BIT(9), y YEAR, t TIME(6), s TIMESTAMP(6) NULL)",
    "INSERT INTO numbers VALUES (1.5, 1e300, -12345678901234567890.123, b'100000001', 2026, '-838:59:59',"
    " '2026-03-29 01:30:00.123456')",
    "CREATE TABLE parts (at DATE NOT NULL, v INT) PARTITION BY RANGE (YEAR(at)) (PARTITION p0 VALUES LESS THAN (2026),"
    " PARTITION p1 VALUES LESS THAN MAXVALUE)",
    "INSERT INTO parts SELECT '2025-12-01' + INTERVAL seq DAY, seq FROM seq_1_to_100",
    "CREATE TABLE child (id INT PRIMARY KEY, account INT, FOREIGN KEY (account) REFERENCES accounts (id))",
    "INSERT INTO child VALUES (1, 1), (2, 500)",
    "CREATE TABLE versions (a INT) WITH SYSTEM VERSIONING",
    "INSERT INTO versions VALUES (1), (2)",
    "CREATE TABLE latin (t VARCHAR(20)) CHARACTER SET latin1",
    "INSERT INTO latin VALUES ('äöü')",
    "CREATE SEQUENCE counter START WITH 5 INCREMENT BY 3",
    "SELECT NEXTVAL(counter)",
    "CREATE VIEW a_rich AS SELECT id, name FROM accounts WHERE balance >= 100",
    "CREATE VIEW b_richer AS SELECT * FROM a_rich WHERE id > 10",
    "CREATE FUNCTION twice(x INT) RETURNS INT DETERMINISTIC RETURN x * 2",
    "CREATE PROCEDURE poke()\nBEGIN\n  -- a comment; with '\n  UPDATE accounts SET balance = balance;\nEND",
    "CREATE TRIGGER touch BEFORE UPDATE ON accounts FOR EACH ROW\nBEGIN\n  SET NEW.name = CONCAT(NEW.name, '!');\nEND",
    "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 03:00:00' DO DELETE FROM empty",
)


def new_name(prefix: str) -> str:
    """A name that no other test uses."""
    return f"{prefix}_{secrets.token_hex(3)}"


def quoted(name: str) -> str:
    """As SQL has it."""
    return "`" + name.replace("`", "``") + "`"


def rich_database(server: MariaDB) -> str:
    """A new database with all kinds of things in it; its name."""
    name = new_name("rich")
    with server.connected() as cursor:
        cursor.execute(f"CREATE DATABASE {quoted(name)} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        cursor.execute(f"USE {quoted(name)}")
        for statement in RICH:
            cursor.execute(statement)
        cursor.execute("CREATE TABLE bytes (id INT PRIMARY KEY, b LONGBLOB, c BINARY(4))")
        cursor.execute("INSERT INTO bytes VALUES (1, %s, %s), (2, %s, NULL)", [ALL_BYTES, b"\n),(", b""])
        odd = quoted(ODD)
        cursor.execute(f"CREATE TABLE {odd} ({odd} INT)")
        cursor.execute(f"INSERT INTO {odd} SELECT seq FROM seq_1_to_11")  # noqa: S608
    return name


def contents(server: MariaDB, database: str) -> dict[str, list[str]]:
    """All rows of each table, ascending."""
    with server.connected(database=database) as cursor:
        cursor.execute("SHOW FULL TABLES WHERE Table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')")
        tables = [str(row[0]) for row in cursor.fetchall()]
        found: dict[str, list[str]] = {}
        for table in tables:
            cursor.execute(f"SELECT * FROM {quoted(table)}")  # noqa: S608
            found[table] = sorted(map(repr, cursor.fetchall()))
    return found
