"""Targets: bytes under a key, and nothing else. Cross-cutting concerns are wrappers with the same contract."""
