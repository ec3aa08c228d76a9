# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every state that a power cut can leave the environment's disk in is read as a boot reads it: a
root can be started, and no committed key is lost.

Recorded: what each operation of the bootloader and of `tugboot` (scenarios.py) writes to a disk, by
QEMU's log of the writes of a guest in which Tugboot's own kernel and libraries do it. Enumerated:
what of it a cut can leave (states.py). Checked: each of these states is really mounted by that
kernel, read-only as the bootloader does, opened by envstore_open_at() and decided on by
slot_decide(), in a guest that keeps the disk in memory (check.c). Then:

- the variables are exactly those before the operation or exactly those after it, and once it has
  returned, those after it; nothing else passes, so that one lost key of a user is seen (judge.py);
- the decision starts a root that somebody called good, or counts the start of one that is on trial;
- in a part of the states, a further write (what the decision asks for, and a key of our own) then
  succeeds, and is read back after the disk was unmounted.

All states that are counted are mounted and differ in at least one byte of the disk; none is counted
twice. The kernel's drivers decide what the files hold: nothing here knows FAT or ext4.

Not covered: a sector that the disk reports as unreadable (tests/boot has I/O errors), garbage in a
filesystem's own sectors, and two torn sectors at once.

TUGBOOT_POWER_GUESTS   guests at a time (2)
"""

import os
from concurrent.futures import ThreadPoolExecutor

import machine
import pytest
import states
from judge import Judge, Verdicts
from scenarios import faulty, scenarios

GUESTS = int(os.environ.get("TUGBOOT_POWER_GUESTS", "2"))
STATES_MIN = 100_000
SHOWN = 8  # of what is wrong


def kind_of(operation):
    """What an operation is called in the table."""
    verb = operation.name.split(" ")[0]
    if verb == "boot":
        return "roll back" if "tugboot_rollback" in operation.edits else "count"
    return {"good": "commit", "switch": "commit", "ended": "shut down"}.get(verb, verb)


def examine(where, scenario, depths, every):
    """Records, enumerates and checks one scenario, each `every`th state with a further write."""
    work = where / scenario.name.replace(" ", "-")
    work.mkdir()
    recording = machine.record(work, scenario)
    depth = depths["many" if scenario.driver == "ext4" else "few"]
    enumeration = states.Enumeration(recording, depth)
    jobs, number = [], 0
    for item in enumeration.items:
        if isinstance(item, dict):
            jobs.append((machine.FLAG_BASE, tuple(item.items())))
        else:
            jobs.append((0 if number % every else machine.FLAG_WRITE, item.changes))
            number += 1
    results = machine.check(work, scenario, recording, jobs)
    judge = Judge(recording)
    for item, (text, further) in zip(enumeration.items, results):
        if isinstance(item, dict):
            continue
        operation = recording.operations[max(item.operation, 1) - 1]
        judge.take(kind_of(operation), item, text, further)
    (work / "disk.img").unlink()
    return scenario, judge.verdicts


def examine_all(where, wanted, depths, every):
    """The verdicts of all scenarios by (filesystem, operation), and descriptions of what is wrong."""
    with ThreadPoolExecutor(GUESTS) as pool:
        done = list(pool.map(lambda scenario: examine(where, scenario, depths, every), wanted))
    lines, wrong = {}, []
    for scenario, verdicts in done:
        where = "raw" if scenario.filesystem == "none" else scenario.filesystem
        for operation, found in verdicts.items():
            lines.setdefault((where, operation), Verdicts()).add(found)
            wrong += [f"{scenario.name}, {operation}: {example}" for example in found.examples]
    return lines, wrong


def table(lines):
    """One line for each filesystem and operation, the last with the totals."""
    total = Verdicts()
    text = [f"{'':11}{'operation':12}{'states':>9}{'unbootable':>12}{'keys lost':>11}"
            f"{'written again':>15}{'failed':>8}"]
    for (where, operation), found in lines.items():
        text.append(f"{where:11}{operation:12}{found}")
        total.add(found)
    return total, "\n".join([*text, f"{'total':23}{total}"])


def prove(show, where, depths, every):
    """The whole proof."""
    lines, wrong = examine_all(where, scenarios(), depths, every)
    total, text = table(lines)
    show(f"power cuts at the level of sectors\n{text}")
    assert total.states >= STATES_MIN
    assert (total.unbootable, total.lost, total.unwritable) == (0, 0, 0), "\n".join(wrong[:SHOWN])


def test_no_power_cut_loses_a_key_or_a_bootable_root(show, tmp_path):
    prove(show, tmp_path, states.SHORT, every=16)


@pytest.mark.long
def test_no_power_cut_loses_a_key_or_a_bootable_root_in_any_state(show, tmp_path):
    prove(show, tmp_path, states.LONG, every=4)


@pytest.mark.parametrize("name", ["truncate", "plain"])
def test_writing_without_a_copy_is_found_to_lose_keys(show, tmp_path, name):
    """What grub-editenv does, and two sectors in place: the proof above can fail."""
    lines, _ = examine_all(tmp_path, [faulty()[name]], states.SHORT, every=1000)
    total, text = table(lines)
    show(f"as it is not done\n{text}")
    assert total.lost > 0
    if name == "truncate":
        assert total.unbootable > 0


def test_ext4_with_checksums_is_lost_with_its_superblock_alone(show, tmp_path):
    """Why docs ask for an ext4 boot partition without metadata_csum: see machine.FILESYSTEMS."""
    scenario = faulty()["checksums"]
    lines, wrong = examine_all(tmp_path, [scenario], states.SHORT, every=1000)
    total, text = table(lines)
    show(f"ext4 with metadata_csum\n{text}")
    assert total.lost > 0
    assert all("mount=-74" in example for example in wrong), wrong
