"""What has happened, in SQL. Written by the orchestrator, read by reporting."""
