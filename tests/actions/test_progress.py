import threading

from drorch.actions.progress import Counters, NoProgress, Progress, Step


def test_counters_of_many_threads_add_up() -> None:
    counters = Counters()

    def push() -> None:
        for _ in range(2000):
            counters.advance(1, 10)

    threads = [threading.Thread(target=push) for _ in range(4)]
    counters.total(8000, 80000)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counters.at("/etc/hosts")
    assert counters.step() == Step(8000, 80000, 8000, 80000, "/etc/hosts")


def test_both_are_progress() -> None:
    told: list[Progress] = [Counters(), NoProgress()]
    for progress in told:
        progress.total(1, 1)
        progress.advance(1, 1)
        progress.at("/x")
