"""Shows what the daemon tells of launches as it happens, as if they were run here; an interruption cancels them."""

from contextlib import ExitStack

from drorch.actions.progress import Progress, Step
from drorch.app.control.connection import Advanced, Complained, Followed, LaunchEnded, Noted, RunTold
from drorch.cli.output.ticker import showing
from drorch.cli.output.writer import Output
from drorch.cli.session import Session
from drorch.cli.telling import tell
from drorch.clock import Clock
from drorch.errors import Problem


def follow(session: Session, followed: Followed, clock: Clock) -> int:
    """Show all until the last launch has ended; the worst exit code.

    Raises `DaemonUnavailable` where the daemon falls silent, and what interrupts the command, after it has seen to it
    that the launches are stopped.
    """
    output, worst = session.output, 0
    told: dict[str, int] = {}
    with _Shown(output, terminal=session.terminal) as shown:
        try:
            for happening in followed:
                match happening:
                    case Advanced():
                        shown.advance(happening)
                    case Noted(message):
                        output.note(message)
                    case Complained(message):
                        output.problem(Problem("drorch", message), during="warning")
                    case RunTold(launch, one):
                        shown.end(launch)
                        tell(output, one)
                        told[launch] = max(told.get(launch, 0), one.exit_code)
                    case LaunchEnded():
                        shown.end(happening.launch.id)
                        _tell_end(output, happening, told.get(happening.launch.id, 0))
                        worst = max(worst, happening.exit_code, told.get(happening.launch.id, 0))
        except KeyboardInterrupt:
            shown.close()
            followed.cancel(clock)
            raise
    return worst


def _tell_end(output: Output, ended: LaunchEnded, told: int) -> None:
    """Say how a launch ended, where its runs have not said so already."""
    if ended.exit_code > told:
        reason = ended.reason or f"it ended with exit code {ended.exit_code}"
        output.problem(Problem(ended.launch.work.name, reason), during="run")


class _Shown:
    """The progress of one run at a time: of several that go on at once, the one that began first."""

    def __init__(self, output: Output, *, terminal: bool) -> None:
        self._output = output
        self._terminal = terminal
        self._showing = ExitStack()
        self._what: tuple[str, str, str] | None = None
        self._progress: Progress | None = None
        self._step = Step()

    def __enter__(self) -> "_Shown":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def advance(self, news: Advanced) -> None:
        """Show how far a run is, unless it is not its turn."""
        what = (news.launch, news.kind, news.target)
        if self._what is not None and self._what[0] != news.launch:
            return
        if self._what != what or self._progress is None:
            self.close()
            self._what = what
            self._progress = self._showing.enter_context(showing(self._output, news.kind, terminal=self._terminal))
        before, self._step = self._step, news.step
        self._progress.total(news.step.files_total, news.step.bytes_total)
        self._progress.advance(news.step.files_done - before.files_done, news.step.bytes_done - before.bytes_done)
        self._progress.at(news.step.current)

    def end(self, launch: str) -> None:
        """A run of a launch is over."""
        if self._what is not None and self._what[0] == launch:
            self.close()

    def close(self) -> None:
        """Take away what is shown."""
        self._showing.close()
        self._what, self._progress, self._step = None, None, Step()
