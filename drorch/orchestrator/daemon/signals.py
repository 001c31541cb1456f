"""Signals as something that is read: they are noted where they come, and answered where the loop turns."""

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

_HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """What came since one last asked. `descriptor` becomes readable when something did."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._came: list[signal.Signals] = []

    def note(self, number: int, _frame: FrameType | None) -> None:
        """A signal came. Only remembered: it may come in the midst of anything."""
        self._came.append(signal.Signals(number))

    def taken(self) -> list[signal.Signals]:
        """What came, in its order and each once, however often it came; from now on it is answered."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.descriptor, 512):
                pass
        came, self._came = self._came, []
        return list(dict.fromkeys(came))


@contextlib.contextmanager
def heard() -> Iterator[Signals]:
    """Signals that would end the process are noted meanwhile. In the main thread only (signal(7), signal.signal)."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signals = Signals(reading)
    before = {number: signal.signal(number, signals.note) for number in _HEARD}
    wakened = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield signals
    finally:
        signal.set_wakeup_fd(wakened)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)
