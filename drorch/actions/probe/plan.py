"""Which steps a probe takes, and taking them: whatever happens, the scratch place is removed afterwards."""

from collections.abc import Sequence
from typing import Protocol

from drorch.actions.probe import contract, measures, protection
from drorch.actions.probe.bench import Bench, Extent, Step, noise
from drorch.actions.probe.facts import Answer, Fact, Finding, Probed, not_run, yes
from drorch.clock import Clock
from drorch.errors import DrorchError, TargetDenied, TargetUnavailable
from drorch.storage.abilities import Leftover, ScratchPlace


class Witness(Protocol):
    """Who is told while a probe goes on."""

    def found(self, fact: Fact) -> None:
        """A step is over."""
        ...

    def left(self, leftovers: Sequence[Leftover]) -> None:
        """The scratch place was removed but for this; told also where the probe was cut short."""
        ...


def plan(extent: Extent, *, lock_relied_on: bool) -> tuple[Step, ...]:
    """All steps in their order: what is quick and what others build upon first."""
    return (*contract.STEPS, *protection.steps(relied_on=lock_relied_on), *measures.steps(extent))


def carry_out(scratch: ScratchPlace, steps: Sequence[Step], clock: Clock, extent: Extent, witness: Witness) -> Probed:
    """Take the steps in a scratch place that is made before and removed after.

    A step that fails is a fact. Raises a `TargetError` where nothing can be saved at all, and where the target does
    not answer two steps in a row.
    """
    facts: dict[str, Fact] = {}
    left: tuple[Leftover, ...] = ()
    try:
        scratch.prepare()
        _record(_first_save(scratch), facts, witness)
        lost = False
        for step in steps:
            bench = Bench(scratch, extent, clock, dict(facts))
            if not step.applies(bench):
                continue
            try:
                finding = step.run(bench)
                lost = False
            except TargetUnavailable as fault:
                if lost:
                    raise
                finding, lost = _failed(fault), True
            except DrorchError as fault:
                finding, lost = _failed(fault), False
            _record(_fact(step, finding), facts, witness)
    finally:
        left = tuple(scratch.discard())
        if facts:
            # Where not even the first save came through, there is nothing to be left.
            witness.left(left)
    return Probed(scratch.name, tuple(facts.values()), left)


def _first_save(scratch: ScratchPlace) -> Fact:
    scratch.target.save(contract.FIRST_KEY, noise(1000))
    meaning = "drorch can save here with the rights it has."
    return Fact("write", "Can be written to", "saved 1 KiB", yes(meaning), needed=True, broken=False)


def _failed(fault: DrorchError) -> Finding:
    """What a fault that no step expected is: the question stays open."""
    if isinstance(fault, TargetDenied):
        return not_run(f"It was refused: {fault.message}.")
    return not_run(f"{fault.message[:1].upper()}{fault.message[1:]}.")


def _fact(step: Step, finding: Finding) -> Fact:
    needed = Answer.NO not in step.fit
    done = step.done if finding.done is None else finding.done
    return Fact(step.name, step.title, done, finding, needed=needed, broken=finding.answer not in step.fit)


def _record(fact: Fact, facts: dict[str, Fact], witness: Witness) -> None:
    facts[fact.name] = fact
    witness.found(fact)
