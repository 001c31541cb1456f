"""The engine: a restic repository read and written. A library in itself; it never hears of jobs."""
