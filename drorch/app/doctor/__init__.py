"""The doctor: what would fail tonight, and why, before it does. Looking changes nothing, wherever it looks."""
