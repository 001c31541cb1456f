"""The daemon: one loop in one thread that launches what is due, watches over what runs, and tells what became of it."""
