# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files of the agents in every state that a power cut can leave them in: recorded, enumerated,
read by the agent's own code, judged. What test_config_states.py and test_agent_states.py share."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import machine
import states

GUESTS = int(os.environ.get("TUGBOOT_POWER_GUESTS", "2"))
SAMPLE = 600  # states of a scenario in the short run, evenly taken of all
SHORT = states.Depth(subsets=4, torn_subsets=1, chance=4, torn_step=256, garbage=1)
FAT_SHORT = states.Depth(subsets=6, torn_subsets=3, chance=16, torn_step=64, garbage=2)
DEPTHS = {"short": {"vfat": FAT_SHORT, "ext4": SHORT},
          "long": {"vfat": states.SHORT["few"], "ext4": states.SHORT["many"]}}


@dataclass
class Counts:
    states: int = 0
    neither: int = 0
    further: int = 0
    stuck: int = 0

    def add(self, other):
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def __str__(self):
        return f"{self.states:9}{self.neither:9}{self.further:10}{self.stuck:7}"


def judge(read, allowed):
    """Is each thing that was read one of those allowed, and does the next boot go on?"""
    read = dict(line.split("=", 1) for line in read.split("\n") if line)
    go_on = read.pop("next", None)
    fine = all(any(read.get(name) == wanted[name] for wanted in allowed) for name in allowed[0])
    return fine, go_on


def sampled(items, most):
    """The bases, and at most so many states."""
    step = -(-sum(not isinstance(item, dict) for item in items) // most)
    kept, number = [], 0
    for item in items:
        if isinstance(item, dict):
            kept.append(item)
        else:
            if number % step == 0:
                kept.append(item)
            number += 1
    return kept


def examine(where, scenario, depths, every, most):
    """Counts by operation, and examples of what is wrong."""
    work = where / scenario.name.replace(" ", "-")
    work.mkdir()
    keeper = scenario.operations[0].split(" ")[0]
    recording = machine.record(work, scenario)
    enumeration = states.Enumeration(recording, depths[scenario.driver])
    items = sampled(enumeration.items, most)
    jobs, number = [], 0
    for item in items:
        if isinstance(item, dict):
            jobs.append((machine.FLAG_BASE, tuple(item.items())))
        else:
            jobs.append((0 if number % every else machine.FLAG_WRITE, item.changes))
            number += 1
    results = machine.check(work, scenario, recording, jobs, verb=f"{keeper}-check")
    counts, wrong = {}, []
    for item, (read, _) in zip(items, results):
        if isinstance(item, dict):
            continue
        operation = recording.operations[max(item.operation, 1) - 1].name
        count = counts.setdefault(operation.split(" ")[1], Counts())
        allowed = [recording.environments[i] for i in item.allowed]
        fine, go_on = judge(read, allowed)
        count.states += 1
        count.neither += not fine
        count.further += go_on is not None
        count.stuck += go_on not in (None, "0")
        if (not fine or go_on not in (None, "0")) and len(wrong) < 3:
            wrong.append(f"{scenario.name}, {operation}: read {read!r}, allowed {allowed}, sectors "
                         f"{[sector for sector, _ in item.changes]}")
    (work / "disk.img").unlink()
    return scenario, counts, wrong


def prove(show, title, where, wanted, depths, every, most=SAMPLE):
    """The totals of the table, which is shown, and descriptions of what is wrong."""
    with ThreadPoolExecutor(GUESTS) as pool:
        done = list(pool.map(lambda scenario: examine(where, scenario, depths, every, most),
                             wanted))
    total, problems = Counts(), []
    lines = [f"{'':14}{'operation':10}{'states':>9}{'neither':>9}{'next boot':>10}{'stuck':>7}"]
    for scenario, counts, wrong in done:
        for operation, count in counts.items():
            lines.append(f"{scenario.name:14}{operation:10}{count}")
            total.add(count)
        problems += wrong
    show("\n".join([f"power cuts: {title}", *lines, f"{'total':24}{total}"]))
    return total, problems
