"""jobs.toml -> specs, every fault with file:line:column. Stops at the door: only app and cli import it."""
