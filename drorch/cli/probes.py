"""What a probe found, for people and as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass

from drorch.actions.probe.facts import Answer, Fact, Finding
from drorch.actions.probe.position import Stand
from drorch.app.probe import Report
from drorch.cli.output.writer import Output
from drorch.errors import Problem
from drorch.storage.abilities import Leftover

_COLUMNS = ("What", "Done", "Answer", "Meaning")
_POSITION = ("3-2-1-1-0", "Stands for it", "Meaning")
_LEFT_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells what is found as it is found: with --json, or with --verbose."""

    output: Output

    def found(self, fact: Fact) -> None:
        """See `Witness`."""
        if self.output.json:
            self.output.message(_fact_record(fact))
        else:
            self.output.detail(f"{fact.title}: {_answer(fact.finding)}")

    def left(self, leftovers: Sequence[Leftover]) -> None:
        """See `Witness`."""
        for one in leftovers[:_LEFT_SHOWN]:
            self.output.problem(Problem(one.name, one.reason), during="not removed")
        more = len(leftovers) - _LEFT_SHOWN
        if more > 0:
            self.output.problem(Problem(f"{more} more objects", "for such reasons"), during="not removed")


def tell(output: Output, report: Report) -> None:
    """Tell the whole report; with --json, what was not told while it was found."""
    broken = report.probed.broken
    if output.json:
        for stand in report.stands:
            output.message(_stand_record(stand))
        output.message(
            {
                "message_type": "summary",
                "target": report.target,
                "place": report.probed.place,
                "broken": [fact.name for fact in broken],
                "not_removed": [{"name": one.name, "reason": one.reason} for one in report.probed.left],
            }
        )
        return
    output.table(_COLUMNS, [_row(fact) for fact in report.probed.facts])
    output.line()
    output.table(_POSITION, [_stand_row(stand) for stand in report.stands])
    output.line()
    if broken:
        output.line(f"target {report.target} will not do: {', '.join(fact.title.lower() for fact in broken)}")
    else:
        output.line(f"target {report.target} keeps everything that drorch relies on")


def _row(fact: Fact) -> tuple[str, ...]:
    answer = _answer(fact.finding)
    return (fact.title, fact.done, answer.upper() if fact.broken else answer, fact.finding.meaning)


def _answer(finding: Finding) -> str:
    match finding.answer:
        case Answer.MEASURED:
            return finding.shown
        case Answer.NO if finding.shown:
            return f"no: {finding.shown}"
    return finding.answer.value


def _stand_row(stand: Stand) -> tuple[str, ...]:
    return (f"{stand.digit} {stand.rule}", stand.finding.answer.value, stand.finding.meaning)


def _fact_record(fact: Fact) -> dict[str, object]:
    return {
        "message_type": "fact",
        "name": fact.name,
        "title": fact.title,
        "done": fact.done,
        "answer": fact.answer.value,
        "needed": fact.needed,
        "broken": fact.broken,
        "meaning": fact.finding.meaning,
        "figures": dict(fact.finding.figures),
    }


def _stand_record(stand: Stand) -> dict[str, object]:
    return {
        "message_type": "position",
        "digit": int(stand.digit),
        "rule": stand.rule,
        "answer": stand.finding.answer.value,
        "meaning": stand.finding.meaning,
    }
