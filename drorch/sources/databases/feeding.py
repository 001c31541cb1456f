"""The way back of what a command printed: it is fed to another command, which loads it.

Promise: a command that fails, hangs or stops reading is never taken for a restore; what cannot be read to its end is
never ended for the command as if it were whole: it is killed before.
"""

from collections.abc import Sequence

from drorch.errors import RestoreError
from drorch.process.commands import ChildFailed, describe_status
from drorch.process.streams import FedChild, StreamCommand, start_feeding
from drorch.sources.databases.contract import Loaded, Objection, RestoreWish, StoredParts
from drorch.sources.databases.facts import Facts
from drorch.sources.databases.said import last_words


class FedCommand:
    """A command that takes one part on its standard input; nothing is known of what it makes of it.

    It may take no byte for `patience_seconds`, and as long to end once it has all of them: a client that builds an
    index reads nothing meanwhile.
    """

    kind = "command"

    def __init__(self, argv: Sequence[str], patience_seconds: float) -> None:
        self._argv = tuple(argv)
        self._patience = patience_seconds

    def restore_preflight(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Sequence[Objection]:  # noqa: ARG002
        """What a command cannot be told: it does what it does."""
        asked = {
            "a name": wish.into is not None,
            "one database": wish.only is not None,
            "tables": bool(wish.tables),
            "schemas": bool(wish.schemas),
            "globals": wish.globals_too,
        }
        return [
            Objection(
                f"command {self._argv[0]} cannot be told {what}: it loads what it is fed where it itself says",
                "Leave that out, and type --in-place.",
                fatal=True,
            )
            for what, said in asked.items()
            if said
        ]

    def restore(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Loaded:  # noqa: ARG002
        """Feed it the part. Raises `RestoreError`, and what reading the part raises; the command is killed then."""
        [name] = parts.names()
        command = StreamCommand(self._argv, quiet_seconds=self._patience, stop_seconds=self._patience)
        try:
            with start_feeding(command) as child:
                self._feed(child, parts, name)
        except ChildFailed as fault:
            said = last_words(str(fault.context.get("said", "")))
            raise RestoreError(
                f"{fault.message}{said}", hint="Look at what it loaded: it may have loaded a part."
            ) from fault
        return Loaded((name,), (), ("nothing is known of what the command made of it",), compared=False)

    def _feed(self, child: FedChild, parts: StoredParts, name: str) -> None:
        with parts.open(name) as pieces:
            for piece in pieces:
                child.feed(piece)
        ended = child.finish()
        if ended.status != 0:
            raise RestoreError(
                f"command {self._argv[0]} {describe_status(ended.status)}{last_words(ended.said)}",
                hint="Look at what it loaded: it may have loaded a part.",
            )
