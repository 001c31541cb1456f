"""Path history: every version of every path, derived from snapshots and answered without touching a target."""
