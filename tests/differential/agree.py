# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the comparisons have in common: where things are, how a broken promise is said, and shares of
work for a few processes."""

import collections
import contextlib
import ctypes
import multiprocessing
import os
import tempfile
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
ARCH = os.environ.get("ARCH", os.uname().machine)
BUILD = Path(os.environ.get("BUILD") or TREE / "build" / ARCH).resolve()
TUGBOOT = BUILD / "tugboot"
PROGRAMS = BUILD / "tests" / "differential"

SEED = os.environ.get("TUGBOOT_DIFFERENTIAL_SEED", "1")
WORKERS = 2
SHOWN_FAILURES = 5


class Disagreement(Exception):
    """A promise that does not hold on one case."""


def expect(holds, promise, **found):
    if not holds:
        details = "".join(f"\n    {name}: {value!r}" for name, value in found.items())
        raise Disagreement(promise + details)


def number_of(default, variable):
    """How many cases: what the environment says, else the default."""
    return int(os.environ.get(variable) or default)


@contextlib.contextmanager
def memory_directory():
    """A directory in memory where there is such a place: nothing here is about disks."""
    shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=shm) as path:
        yield Path(path)


def shares(total, size):
    """Ranges that make up 0 to total."""
    return [range(start, min(start + size, total)) for start in range(0, total, size)]


def in_parallel(compare, arguments):
    """Runs compare(*a) for each a, in WORKERS processes; it returns counts and failures. Their
    sums."""
    counts, failures = collections.Counter(), []
    with multiprocessing.Pool(WORKERS) as pool:
        for some_counts, some_failures in pool.starmap(compare, arguments, chunksize=1):
            counts += some_counts
            failures += some_failures
    return counts, failures


def report(capsys, title, counts, failures):
    """Prints the figures; a failure ends the test."""
    with capsys.disabled():
        print(f"\n{title}: {len(failures)} disagreements")
        for name in sorted(counts):
            print(f"  {counts[name]:8} {name}")
    assert not failures, "\n".join(failures[:SHOWN_FAILURES])


def base_library():
    """lib/base, to be called from here."""
    return ctypes.CDLL(str(PROGRAMS / "base.so"))
