"""What a bucket hides, as lines and as records."""

from drorch.app.undelete import Hidden, UndeletePlan
from drorch.cli.output.writer import Output
from drorch.units import counted, format_size


def tell_hidden(output: Output, one: Hidden) -> None:
    """One object of a plan."""
    if output.json:
        output.message(
            {
                "message_type": "hidden",
                "key": one.key,
                "way": one.way,
                "size": one.size,
                "saved": one.saved.isoformat(),
                "hidden": one.hidden.isoformat(),
            }
        )
    elif output.verbosity >= 0:
        since = one.hidden.astimezone()
        output.line(f"{one.way} {since:%Y-%m-%d %H:%M:%S}  {one.key}  {format_size(one.size)}")


def sum_up(output: Output, plan: UndeletePlan, *, done: bool) -> None:
    """The end of it: what came back, or would."""
    count = len(plan.objects)
    if output.json:
        output.message({"message_type": "summary", "objects": count, "size": plan.size, "brought_back": done})
    elif not count:
        output.line("nothing is hidden")
    else:
        output.line(
            f"{counted(count, 'object')}, {format_size(plan.size)}, {'are back' if done else 'would come back'}"
        )
        if not done:
            output.note("nothing is changed yet; to do it, add --yes")
