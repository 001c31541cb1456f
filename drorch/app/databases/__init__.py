"""Databases: jobs that name one become dumps and restores of its kind.

Promise: a kind, and the libraries it needs, is loaded only where a job names it.
"""
