"""Databases end to end: real servers, real tools and broken ones, real runs of jobs."""
