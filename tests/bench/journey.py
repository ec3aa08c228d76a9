# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a console says of one boot by Tugboot, in instructions since reset."""

import re
from dataclasses import dataclass

from machine import HarnessError

STAMP = re.compile(
    r"bench: first-process tsc=(\d+) monotonic=(\d+) written=(\d+)$", re.MULTILINE
)
STOP = re.compile(r"^#([0-9a-f]{16})$", re.MULTILINE)
JUMP = "Starting new kernel"


def last_process(console):
    """When the first process of the last kernel ran."""
    return int(STAMP.findall(console)[-1][0])


def stopped(console):
    """When the stand-in for a kernel (stop.S) was entered."""
    return int(STOP.search(console).group(1), 16)


@dataclass
class Journey:
    """From PID 1 of our kernel to the jump; its console has the kernel log's times."""

    first: int  # PID 1
    steps: list  # (step, when its line was logged), the jump being the last
    last: int  # first process of the kernel that was started; ours, when that one did not tell

    @property
    def jump(self):
        """When the kernel was left."""
        return self.steps[-1][1]

    @classmethod
    def read(cls, console):
        """The kernel log's clock is the processor's counter, less what it was at the clock's start;
        the line that the stamp wrote has both."""
        stamp = STAMP.search(console)
        logged = re.search(r"^\[ *(\d+\.\d+)\] bench: first-process", console, re.MULTILINE)
        if not stamp or not logged:
            raise HarnessError("the stamp of PID 1 is missing on the console")
        zero = int(stamp.group(3)) - _nanoseconds(logged.group(1))
        line = rf"^\[ *(\d+\.\d+)\] (?:tugboot: (.*)|kexec_core: {JUMP})$"
        steps = [
            (_step(text) if text else JUMP, zero + _nanoseconds(at))
            for at, text in re.findall(line, console, re.MULTILINE)
        ]
        if not steps or steps[-1][0] != JUMP:
            raise HarnessError(f"the kernel's line '{JUMP}' is missing on the console")
        return cls(int(stamp.group(1)), steps, last_process(console))

    def costs(self):
        """(step, what it took) of each, the first one counted from PID 1."""
        previous, costs = self.first, []
        for step, at in self.steps:
            costs.append((step, at - previous))
            previous = at
        return costs


def _nanoseconds(seconds):
    return round(float(seconds) * 1e9)


def _step(text):
    """Name of a step: the event, with the word that tells it from others of the same name."""
    event, *rest = text.split()
    if event in ("watchdog", "record") and rest:
        return f"{event} {rest[0]}"
    return event
