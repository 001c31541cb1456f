"""What a restore with `delete` removes: what is at the destination, not in the snapshot, and meant by the patterns."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from drorch.actions.restore.choice import Patterns
from drorch.actions.restore.survey import Survey
from drorch.sources.files.excludes import text_of
from drorch.sources.files.placement import Extra, RelativePath

_NOTHING: frozenset[bytes] = frozenset()


@dataclass(slots=True)
class _Opened:
    """A folder that is extra, being gone through. `whole` until something in it is found that must stay."""

    folder: Extra
    content: Iterator[Extra] = field(default_factory=lambda: iter(()))
    whole: bool = True
    removable: list[Extra] = field(default_factory=list)


class ExtrasFinder:
    """Looks for extras folder by folder. What is excluded stays, with the folders it is in; so does what an include
    pattern does not ask for."""

    def __init__(self, survey: Survey, patterns: Patterns) -> None:
        self._survey = survey
        self._patterns = patterns

    def find(self, folder: RelativePath, names: frozenset[bytes], *, included: bool) -> Iterator[Extra]:
        """What this folder holds beside `names` and is to go. `included`: all below it is asked for."""
        prefix = _prefix(folder)

        def meant(extra: Extra) -> bool:
            name, is_folder = text_of(extra.path[-1]), extra.is_dir
            return not self._patterns.excludes(prefix, name, is_folder=is_folder) and (
                included or self._patterns.includes(prefix, name, is_folder=is_folder)
            )

        for extra in self._survey.extras(folder, names, meant):
            if extra.is_dir and self._patterns.exclude_any:
                yield from self._without_excluded(extra)
            else:
                yield extra

    def _without_excluded(self, extra: Extra) -> list[Extra]:
        """The folder itself where nothing in it is excluded, else the parts of it that hold nothing excluded."""
        stack = [self._open(extra)]
        while True:
            top = stack[-1]
            child = next(top.content, None)
            if child is None:
                stack.pop()
                removable = [top.folder] if top.whole else top.removable
                if not stack:
                    return removable
                stack[-1].removable.extend(removable)
                stack[-1].whole = stack[-1].whole and top.whole
            elif child.is_dir:
                stack.append(self._open(child))
            else:
                top.removable.append(child)

    def _open(self, folder: Extra) -> _Opened:
        opened, prefix = _Opened(folder), _prefix(folder.path)

        def meant(extra: Extra) -> bool:
            excluded = self._patterns.excludes(prefix, text_of(extra.path[-1]), is_folder=extra.is_dir)
            opened.whole = opened.whole and not excluded
            return not excluded

        opened.content = iter(self._survey.extras(folder.path, _NOTHING, meant))
        return opened


def _prefix(folder: RelativePath) -> str:
    return "".join(f"{text_of(part)}/" for part in folder)
