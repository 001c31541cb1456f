"""Threads that share one stream of work, and stop together when one of them fails; and loading a little ahead."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")
Stopped = Callable[[], bool]


def work_through(items: Iterable[Item], work: Callable[[Item, Stopped], None], workers: int) -> None:
    """Call `work` on every item, on so many threads; items are drawn one at a time, when a thread is free.

    What `work` or the items raise is raised here once all threads have ended. `work` may ask its second argument
    whether another thread has failed, and then return early. One worker is the calling thread itself.
    """
    if workers == 1:
        for item in items:
            work(item, _never)
        return
    stream = iter(items)
    drawing = threading.Lock()
    stopped = threading.Event()

    def keep_working() -> None:
        try:
            while not stopped.is_set():
                with drawing:
                    drawn = list(islice(stream, 1))
                if not drawn:
                    return
                work(drawn[0], stopped.is_set)
        except BaseException:
            stopped.set()
            raise

    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(keep_working) for _ in range(workers)]
        try:
            for worker in running:
                worker.result()
        finally:
            stopped.set()


def _never() -> bool:
    return False


def load_ahead(load: Callable[[bytes], Loaded], ids: Sequence[bytes], workers: int) -> Iterator[Loaded]:
    """What `load` gives for each id, in order, a few loaded at a time: decoded index files must not pile up."""
    pending: deque[Future[Loaded]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for storage_id in ids:
            pending.append(pool.submit(load, storage_id))
            if len(pending) >= workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
