"""What all databases have in common: what a kind of them offers, the facts, the dump as a source, files of passwords.

Promise: a dump of which anything failed is never taken for a whole one, and nothing of it is put on a disk meanwhile.
A kind of database is a package beside this one, with both directions in it.
"""
