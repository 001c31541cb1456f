"""Restore: what a snapshot holds is put back. Planned first (plan.py), then executed (execution.py)."""
