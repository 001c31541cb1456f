"""Targets in a bucket of an S3-compatible service: restic's layout below a prefix, as dependable as a local disk."""
