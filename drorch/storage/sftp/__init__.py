"""Targets behind an SSH server: restic's sftp layout, on hosts whose key is known."""
