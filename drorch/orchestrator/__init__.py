"""When things run and what becomes of them: runner, scheduler, service."""
