# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the bench found: rows that are printed beside those of the last run, and kept as JSON."""

import json
import sys
from dataclasses import dataclass, field

MILLION = 1e6
WIDTH = 62


@dataclass
class Row:
    """One figure. `kind` is how it is printed: count (of instructions), bytes, MB or plain."""

    label: str
    value: float
    kind: str = "count"

    def shown(self, value):
        """A value as text, in this row's unit."""
        if self.kind == "count":
            return f"{value / MILLION:.2f}"
        if self.kind == "bytes":
            return f"{value / 1000:.1f}"
        return f"{value:.4g}"


UNITS = {"count": "10⁶", "bytes": "kB", "MB": "MB", "plain": ""}


@dataclass
class Target:
    """A figure to reach, and the better one to strive for."""

    label: str
    value: float
    limit: float
    stretch: float | None = None
    kind: str = "count"

    @property
    def reached(self):
        """Is it?"""
        return self.value <= self.limit

    def line(self):
        """One line for people."""
        row = Row("", 0, self.kind)
        unit = UNITS[self.kind]
        text = f"{self.label}: {row.shown(self.value)} of at most {row.shown(self.limit)} {unit}"
        text = text.strip() + (": reached" if self.reached else ": NOT REACHED")
        if self.stretch is not None and self.reached:
            better = "reached" if self.value <= self.stretch else "not reached"
            text += f" (stretch {row.shown(self.stretch)}: {better})"
        return text


@dataclass
class Report:
    """Sections of rows, in order, and the targets."""

    sections: dict = field(default_factory=dict)
    targets: list = field(default_factory=list)
    printed: set = field(default_factory=set)

    def add(self, section, label, value, kind="count"):
        """Adds a figure and returns it."""
        self.sections.setdefault(section, []).append(Row(label, value, kind))
        return value

    def print(self, old):
        """The sections that were not printed yet, beside what `old` (values by section and label)
        said of the same figures."""
        for section, rows in self.sections.items():
            if section in self.printed:
                continue
            self.printed.add(section)
            print(f"\n{section}\n  {'':{WIDTH}}{'now':>11} {'':4}{'last':>11} {'change':>9}")
            before = old.get(section, {})
            for row in rows:
                line = f"  {row.label:{WIDTH}}{row.shown(row.value):>11} {UNITS[row.kind]:4}"
                last = before.get(row.label)
                if isinstance(last, (int, float)):
                    line += f"{row.shown(last):>11}"
                    if last:
                        line += f" {100 * (row.value - last) / abs(last):>+8.2f}%"
                print(line.rstrip())
        sys.stdout.flush()

    def save(self, path):
        """Keeps the figures for the next run."""
        figures = {
            section: {row.label: row.value for row in rows}
            for section, rows in self.sections.items()
        }
        targets = {
            target.label: {"value": target.value, "limit": target.limit, "reached": target.reached}
            for target in self.targets
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        text = json.dumps({"figures": figures, "targets": targets}, indent=1)
        new.write_text(text + "\n", encoding="utf-8")
        new.rename(path)


def load(path):
    """The figures of the last run; none when there was none, or its file means nothing."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["figures"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
