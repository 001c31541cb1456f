"""The machine a benchmark ran on, in the few words that matter for its figures."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    """Cores, CPU, kernel, filesystem of the work directory, and how busy it was when the run began."""

    cores: int
    processor: str
    kernel: str
    filesystem: str
    load: float

    @property
    def line(self) -> str:
        """All of it in a sentence."""
        return (
            f"{self.cores} cores of {self.processor}, {self.kernel}, {self.filesystem}; "
            f"load average at the start {self.load:.1f}"
        )


def this_machine(work: Path) -> Machine:
    """What the system tells about itself."""
    cores = len(os.sched_getaffinity(0))
    return Machine(cores, _processor(), _kernel(), _filesystem(work), os.getloadavg()[0])


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1).strip() if found else platform.machine()


def _kernel() -> str:
    return f"Linux {'.'.join(platform.release().split('.')[:2])}"


def _filesystem(folder: Path) -> str:
    """The type of the mount with the longest path above the folder (proc(5), "mountinfo")."""
    path = folder.resolve()
    best, kind = -1, "unknown filesystem"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        mount = Path(fields[4])
        if path.is_relative_to(mount) and len(mount.parts) >= best:
            best, kind = len(mount.parts), fields[fields.index("-") + 1]
    return kind
