"""One file per command; each is imported when its verb is typed."""
