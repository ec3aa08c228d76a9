# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every state that a power cut can leave config.json, its copy and the config agent's own files in
is read as the agent at boot reads it, and gone on from: old or new, never neither.

As in test_crash_states.py, whose machinery this is: recorded are the writes of the agent's own code
(hostos-agents/config, called by config.c) under Tugboot's own kernel, enumerated is what a cut can
leave of them, and each of these states is mounted and read by that kernel and that code. Then:

- config.json is what it was before the operation or what it is after it, and once the operation
  has returned, that; a text on trial is the one before it (a boot goes back);
- each file that the agent writes is the old or the new one;
- in a part of the states, the next boot goes on: config.json is repaired and written, or another
  plan is applied and taken away again, and nothing is left over that nobody knows of.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import machine
import pytest
import states
from machine import Scenario

GUESTS = int(os.environ.get("TUGBOOT_POWER_GUESTS", "2"))
STATES_MIN = 1000
SAMPLE = 600  # states of a scenario in the short run, evenly taken of all
SHORT = states.Depth(subsets=4, torn_subsets=1, chance=4, torn_step=256, garbage=1)
FAT_SHORT = states.Depth(subsets=6, torn_subsets=3, chance=16, torn_step=64, garbage=2)
DEPTHS = {"short": {"vfat": FAT_SHORT, "ext4": SHORT},
          "long": {"vfat": states.SHORT["few"], "ext4": states.SHORT["many"]}}

LIFE = [
    "config write b 900",
    "config write c 200",
    "config write d 3000",
    "config foreign e 700",
    "config try f 1100",
    "config confirm",
    "config try g 400",
    "config back",
    "hold",
    "config write h 600",
    "config write i 650",
    "release",
]
PLANS = ["config apply 1", "config apply 2", "config apply 3", "config apply 3", "config apply 0",
         "config apply 2"]
THEIRS = {"/etc/chrony/own.sources": "-", "/etc/ssh/fixed": "-", "/etc/hostname": "theirs",
          "/etc/udev/rules.d/56.rules": "-", "/etc/systemd/wants/unit": "-"}


def text(tag, size):
    """As config.c makes it."""
    head = f'{{"tag":"{tag}","fill":"'
    return (head + tag * (size - len(head) - 3) + '"}\n').encode()


def scenarios():
    made = []
    for fs in ("fat16", "fat32", "ext4"):
        made.append(Scenario(f"{fs} config", fs, False, {"config.json": text("a", 500)},
                             {"config": "a:500"}, LIFE))
        made.append(Scenario(f"{fs} first", fs, False, {}, {"config": "none"},
                             ["config write b 900", "config write c 950"]))
    made.append(Scenario("ext4 files", "ext4", False, {"etc/hostname": b"theirs"}, THEIRS, PLANS))
    return made


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
    results = machine.check(work, scenario, recording, jobs, verb="config-check")
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


def prove(capsys, where, wanted, depths, every, most=SAMPLE):
    """The table's totals, and descriptions of what is wrong."""
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
    with capsys.disabled():
        print("\npower cuts: config.json and the agent's files", *lines, f"{'total':24}{total}",
              sep="\n", flush=True)
    return total, problems


def test_no_power_cut_loses_the_old_and_the_new_configuration(capsys, tmp_path):
    total, wrong = prove(capsys, tmp_path, scenarios(), DEPTHS["short"], every=16)
    assert total.states >= STATES_MIN
    assert (total.neither, total.stuck) == (0, 0), "\n".join(wrong)


@pytest.mark.long
def test_no_power_cut_loses_the_configuration_in_any_state(capsys, tmp_path):
    total, wrong = prove(capsys, tmp_path, scenarios(), DEPTHS["long"], every=4,
                         most=10_000_000)
    assert (total.neither, total.stuck) == (0, 0), "\n".join(wrong)


def test_a_write_in_place_alone_is_found_to_lose_both(capsys, tmp_path):
    """The proof above can fail."""
    plain = Scenario("fat16 plain", "fat16", False, {"config.json": text("a", 1500)},
                     {"config": "a:1500"}, ["config plain b 1500"])
    total, _ = prove(capsys, tmp_path, [plain], DEPTHS["short"], every=1000)
    assert total.neither > 0
