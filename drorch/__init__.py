"""drorch: backups that are proven to restore.

Rooms and floors are described in docs/ARCHITECTURE.md. Imports point down only.
"""

__version__ = "0.1.0"
