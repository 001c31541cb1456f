"""The callers' end of the daemon's socket: which daemon is meant, what it is asked, what is done where none listens.

The engine is not loaded for it.
"""
