"""MariaDB, and MySQL as far as it is alike: dumps of databases and copies of a whole server, and the way back of both.

Promise: a dump is one transaction, its rows are counted as they pass, and one without its closing line is none.
What is loaded is hostile: the client runs no commands of its own out of it, and no superuser's account is lent to it.
"""
