"""What a foreign program said last, fit to stand in an error's message.

Promise: one line, of a few hundred characters, without the secrets that drorch knows.
"""

from drorch.secrets import redacted

_LONGEST_SAID = 400


def last_words(said: str) -> str:
    """The end of what it said, to be put behind a message; empty where it said nothing."""
    words = " ".join(redacted(said).split())
    shown = words if len(words) <= _LONGEST_SAID else f"...{words[-_LONGEST_SAID:]}"
    return f"; it said: {shown}" if shown else ""
