"""Rehearsals of recovery: scratch servers, checks, evidence, objectives, findings, recovery plans."""
