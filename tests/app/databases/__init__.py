"""Databases of jobs: saved, and put back."""
