# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's libubootenv, the library behind fw_printenv, fw_setenv and SWUpdate, and lib/base on the
same environments; the comparison itself is uboot_compare.c, as a process for each environment would
take hours.

TUGBOOT_DIFFERENTIAL_ENVIRONMENTS   how many (50000; 1200000 in the long test)
TUGBOOT_DIFFERENTIAL_SEED           which series (1)
"""

import collections
import subprocess

import agree
import pytest

PROGRAM = agree.PROGRAMS / "uboot_compare"
NOR = agree.PROGRAMS / "uboot_nor"
SHARE = 10000


def compare_some(seed, numbers):
    counts = collections.Counter()
    with agree.memory_directory() as where:
        done = subprocess.run([PROGRAM, seed, str(numbers.start), str(len(numbers)), where],
                              capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    failures = [f"seed {seed}: {line}" for line in lines if line.startswith("FAIL")]
    for line in lines:
        if not line.startswith("FAIL"):
            number, _, name = line.partition(" ")
            counts[name] = int(number)
    # It may have ended early, by a signal as well.
    if done.returncode != 0 and not failures or counts["environments"] != len(numbers):
        failures.append(f"seed {seed} from {numbers.start}: status {done.returncode}: {done.stderr}")
    # Of each share alone: they do not add up.
    seen = min(counts.pop("flags of copy 0", 0), counts.pop("flags of copy 1", 0))
    counts["shares with all 256 flags in either copy"] = int(seen == 256)
    return counts, failures


def compare_series(capsys, seed, environments):
    assert PROGRAM.exists(), f"{PROGRAM} is missing: run `make test-differential`"
    counts, failures = agree.in_parallel(
        compare_some, [(seed, numbers) for numbers in agree.shares(environments, SHARE)])
    agree.report(capsys, f"libubootenv, seed {seed}", counts, failures)
    assert counts["environments"] == environments
    # Else the series does not reach what it is there for.
    if environments >= SHARE:
        assert counts["shares with all 256 flags in either copy"] > 0
        assert counts["two valid copies"] > environments // 4
        assert counts["no valid copy"] > environments // 20
        assert counts["written by libubootenv"] > environments // 2
        assert counts["written by tugboot"] > environments // 2
        assert counts["same bytes"] > environments // 5
        assert counts["without end"] and counts["written by libubootenv without end"]


def test_tugboot_and_libubootenv_agree_on_generated_environments(capsys):
    compare_series(capsys, agree.SEED,
                   agree.number_of(50000, "TUGBOOT_DIFFERENTIAL_ENVIRONMENTS"))


@pytest.mark.long
def test_tugboot_and_libubootenv_agree_on_many_more_environments(capsys):
    compare_series(capsys, agree.SEED + "-long",
                   agree.number_of(1200000, "TUGBOOT_DIFFERENTIAL_ENVIRONMENTS"))


def test_tugboot_and_libubootenv_take_the_same_copy_on_nor_flash(capsys):
    done = subprocess.run([NOR], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    with capsys.disabled():
        print(f"\nlibubootenv, NOR flash: {lines[-1] if lines else done.stderr}")
    assert done.returncode == 0 and lines == ["65536 pairs of flags"], "\n".join(lines[:5])
