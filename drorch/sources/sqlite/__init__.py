"""SQLite: a database that is a file, copied while it is used, and put back as a file.

Promise: what is stored is one moment of the database, and was found sound before it counts as a dump; a file that is
put back was found sound before it takes its place.

The copy is made by SQLite's online backup into a private file, which is read from then on. It needs room for one copy,
where dumps of servers need none: the pages of a running database are of one moment only while a reader keeps them so.
A reader that did that for as long as a slow target takes would let the log of a WAL database grow all that time, and
keep all writers of any other waiting. The copy takes seconds. It can be checked and counted at leisure, and is not
in a folder any more when it is sent: whatever ends the process then leaves nothing.
"""

from drorch.sources.sqlite.kind import Sqlite, SqliteSettings

__all__ = ["Sqlite", "SqliteSettings"]
