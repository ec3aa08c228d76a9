# SPDX-License-Identifier: LGPL-2.1-or-later
"""What has to hold of a state that the guest has read. Knows the operations and what they were to
change; nothing of how the environment is kept."""

from dataclasses import dataclass, field
from functools import cached_property

from machine import changed

EXAMPLES = 1  # of each operation of a recording


class Reading:
    """One text of tests/power/reading.c."""

    def __init__(self, text):
        self.found, self.edits, self.variables, self.decision = {}, {}, {}, {}
        self.written = None
        for line in text.split("\n"):
            kind, _, rest = line.partition(" ")
            name, equals, value = rest.partition("=")
            if kind == "var":
                self.variables[name] = value
            elif kind == "edit":
                self.edits[name] = value if equals else None
            elif kind == "decision":
                self.decision = dict(word.split("=", 1) for word in rest.split(" "))
            elif kind == "found":
                head, _, problem = rest.partition(" problem=")
                self.found = {**dict(word.split("=", 1) for word in head.split(" ")),
                              "problem": problem}
            elif kind == "written":
                self.written = int(rest)

    @cached_property
    def counted(self):
        """Is the start that it decides on counted before it is made?"""
        return bool({"bootcount", "tugboot_spared", "tugboot_failures"} & self.edits.keys())


@dataclass
class Verdicts:
    """Of states in which the power went during one kind of operation."""

    states: int = 0
    unbootable: int = 0
    lost: int = 0
    further: int = 0  # a further write was tried
    unwritable: int = 0  # and failed
    examples: list = field(default_factory=list)  # of what is wrong

    def add(self, other):
        """The sum, without the examples."""
        for name in ("states", "unbootable", "lost", "further", "unwritable"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def __str__(self):
        return (f"{self.states:9}{self.unbootable:12}{self.lost:11}{self.further:15}"
                f"{self.unwritable:8}")


class Judge:
    """For the states of one recording."""

    def __init__(self, recording):
        self.environments = recording.environments
        # Roots that somebody called good, up to each operation.
        self.proven = [{"A"}]
        for operation in recording.operations:
            verb, *words = operation.name.split(" ")
            good = set(words) if verb in ("good", "switch") else set()
            self.proven.append(self.proven[-1] | good)
        self.verdicts = {}
        self._readings = {}

    def _read(self, text):
        if text not in self._readings:
            self._readings[text] = Reading(text)
        return self._readings[text]

    def problems(self, state, text, further):
        """What is wrong with a state: names of counters of Verdicts."""
        reading = self._read(text)
        slot = reading.decision["slot"]
        wrong = []
        if not any(reading.variables == self.environments[i] for i in state.allowed):
            wrong.append("lost")
        proven = self.proven[state.operation]
        if slot not in ("A", "B") or (slot not in proven and not reading.counted):
            wrong.append("unbootable")
        if further:
            after = self._read(further)
            wanted = changed(reading.variables, {**reading.edits, "power_further": "1"})
            if after.written != 0 or after.variables != wanted:
                wrong.append("unwritable")
        return wrong

    def take(self, operation, state, text, further):
        """Counts one state under the name of its operation."""
        verdicts = self.verdicts.setdefault(operation, Verdicts())
        verdicts.states += 1
        verdicts.further += further is not None
        wrong = self.problems(state, text, further)
        for problem in wrong:
            setattr(verdicts, problem, getattr(verdicts, problem) + 1)
        if wrong and len(verdicts.examples) < EXAMPLES:
            wanted = [self.environments[i] for i in state.allowed]
            verdicts.examples.append(
                f"{', '.join(wrong)}: of sectors {[sector for sector, _ in state.changes]} what was "
                f"written, or part of it;\nread:\n{text}\nwanted: {wanted}\n"
                + (f"after a further write:\n{further}\n" if further else "")
            )
