# SPDX-License-Identifier: LGPL-2.1-or-later
"""Running other programs, and where things are: the tree, the build, the cache."""

import os
import shutil
import subprocess
from pathlib import Path

TREE = Path(__file__).resolve().parents[3]
ARCH = os.environ.get("ARCH", "x86_64")
BUILD = Path(os.environ.get("BUILD") or TREE / "build" / ARCH).resolve()

# Filesystem tools live in sbin, which an ordinary user's PATH may lack.
os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin:/sbin"


class HarnessError(Exception):
    """The harness itself could not do its work: no verdict on what is tested."""


def run(*command, input=None, good=(0,)):  # pylint: disable=redefined-builtin
    """Runs a program to its end and returns what it printed; its error output is in the failure.
    `good` are the statuses that are none."""
    if shutil.which(command[0]) is None:
        raise HarnessError(f"{command[0]} is not installed")
    done = subprocess.run(
        [str(part) for part in command],
        input=input,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode not in good:
        line = " ".join(str(part) for part in command)
        raise HarnessError(f"`{line}` ended with {done.returncode}:\n{done.stderr}{done.stdout}")
    return done.stdout


def cache_dir():
    """Outside the tree, so that `make clean` and a fresh clone keep what is slow to make."""
    base = os.environ.get("TUGBOOT_CACHE")
    if not base:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        base = Path(home) / "tugboot"
    path = Path(base)
    path.mkdir(parents=True, exist_ok=True)
    return path


def artifact(name):
    """A file that the build makes, with a plain word when it is not there."""
    path = BUILD / name
    if not path.exists():
        raise HarnessError(f"{path} is missing: run `make`")
    return path


def copy_sparse(source, target, source_at=0, target_at=0, size=None):
    """Copies a range of a file (to its end, when no size is given) into another that exists. What
    the target has where the source has holes stays."""
    with open(source, "rb") as src, open(target, "r+b") as dst:
        position = source_at
        end = position + size if size is not None else os.fstat(src.fileno()).st_size
        while position < end:
            try:
                start = os.lseek(src.fileno(), position, os.SEEK_DATA)
            except OSError:  # ENXIO: only a hole is left
                return
            position = min(os.lseek(src.fileno(), start, os.SEEK_HOLE), end)
            src.seek(start)
            dst.seek(target_at + start - source_at)
            while start < position:
                data = src.read(min(position - start, 1 << 20))
                dst.write(data)
                start += len(data)
