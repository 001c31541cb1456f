"""Tests of MariaDB's dumps and copies, both directions, against a real server."""
