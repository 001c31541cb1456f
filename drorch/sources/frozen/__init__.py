"""Snapshots of file systems, to read files from: all of one file system are of one moment then."""
