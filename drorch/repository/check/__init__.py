"""The engine's own examination of a repository: what is damaged or missing, and which snapshots and files need it."""
