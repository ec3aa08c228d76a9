# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whatever the environment holds, a root is started, and the log says what was wrong."""

import random

import pytest

from harness import root
from harness.disk import env_block

B = {"resin_root_part": "B"}
TRIAL = {"resin_root_part": "B", "upgrade_available": "1"}


def lines(*text):
    """A well-formed block of these lines as they are."""
    block = "".join(f"{line}\n" for line in ("# GRUB Environment Block", *text))
    return block.encode().ljust(1024, b"#")


# What the log says of the file as a whole, or of a value in it.
NOTED = r'^environment file=bootenv found="[^"]+" next="use what can be read'
NO_MEANING = r'^environment file=bootenv found="a value that means nothing" next='
READ = r"^environment file=bootenv kind=grub root="

# Name -> content, what starts, what the log says of it.
CONTENTS = {
    "is_missing": (None, "A normal 0/2", NOTED),
    "is_empty": (b"", "A normal 0/2", NOTED),
    "has_1023_bytes": (env_block(B)[:1023], "B normal 0/2", NOTED),
    "has_1024_bytes": (env_block(B), "B normal 0/2", READ),
    "has_1025_bytes": (env_block(B) + b"#", "B normal 0/2", NOTED),
    "has_a_newline_behind_its_padding": (
        env_block(B)[:1023] + b"\n", "B normal 0/2", READ),
    "is_all_padding": (b"#" * 1024, "A normal 0/2", NOTED),
    "is_all_zeros": (bytes(1024), "A normal 0/2", NOTED),
    "is_random": (random.Random(1).randbytes(1024), "A normal 0/2", NOTED),
    "is_a_random_megabyte": (
        random.Random(2).randbytes(1 << 20), "A normal 0/2", NOTED),
    "has_no_signature": (
        b"resin_root_part=B\n".ljust(1024, b"#"), "B normal 0/2", NOTED),
    "was_cut_in_the_middle": (
        env_block(TRIAL)[:50], "B normal 0/2", NOTED),
    "has_unknown_keys": (
        env_block({"nonsense": "1", **B, "x": "=y"}), "B normal 0/2", READ),
    "has_a_key_twice": (
        lines("resin_root_part=A", "resin_root_part=B"), "B normal 0/2", READ),
    "has_trailing_spaces": (
        lines("resin_root_part=B ", "upgrade_available=1  ", "bootcount=1 "), "B trial 2/2",
        READ),
    "has_a_huge_count": (
        lines("resin_root_part=B", "upgrade_available=1", f"bootcount={10**20}"),
        "A rollback 0/2", r"^slot .*tries-used"),
    "has_a_huge_limit": (
        lines("resin_root_part=B", "upgrade_available=1", "bootlimit=4294967297"), "B trial 1/99",
        READ),
    "has_a_negative_count": (
        lines("resin_root_part=B", "upgrade_available=1", "bootcount=-1"), "B trial 1/2",
        NO_MEANING),
    "has_a_negative_limit": (
        lines("resin_root_part=B", "upgrade_available=1", "bootlimit=-1"), "B trial 1/2",
        NO_MEANING),
    "has_a_limit_of_zero": (
        lines("resin_root_part=B", "upgrade_available=1", "bootlimit=0"), "B trial 1/2",
        NO_MEANING),
    "has_a_count_that_is_no_number": (
        lines("resin_root_part=B", "upgrade_available=1", "bootcount=two"), "B trial 1/2",
        NO_MEANING),
    "names_a_partition_that_is_not_there": (
        lines("resin_root_part=7"), "A normal 0/2",
        r"^environment .*partition 0x7, which is no root here"),
    "names_a_root_that_cannot_be": (
        lines("resin_root_part=Z"), "A normal 0/2", NO_MEANING),
    "names_the_root_twice_on_one_line": (
        lines("resin_root_part=A B"), "A normal 0/2", NO_MEANING),
    "has_a_very_long_value": (
        lines("resin_root_part=" + "B" * 900), "A normal 0/2", NO_MEANING),
}


@pytest.mark.parametrize("fault", CONTENTS)
def test_a_root_is_started_when_the_environment(boot, fault):
    content, expected, said = CONTENTS[fault]
    disk = boot.disk(env=content, rootA=root(), rootB=root())
    run = boot(disk)
    assert run.journey == [expected]
    assert run.starts[0].root == f"disk1:root{expected[0]}"
    assert run.said(said), run.log


def test_damaged_environment_is_left_alone_by_a_committed_boot(boot):
    disk = boot.disk(env=b"#" * 1000, rootA=root(), rootB=root())
    boot(disk)
    assert disk.env_bytes() == b"#" * 1000


def test_damaged_environment_is_repaired_when_a_trial_is_counted(boot):
    disk = boot.disk(
        env=b"resin_root_part=B\nupgrade_available=1\nother=kept\n", rootA=root(), rootB=root()
    )
    assert boot(disk).journey == ["B trial 1/2"]
    assert disk.env() == {**TRIAL, "other": "kept", "bootcount": "1"}


def test_unknown_keys_survive_a_count(boot):
    env = {"mine": "a\\b", **TRIAL, "theirs": "c = d"}
    disk = boot.disk(env=env, rootA=root(), rootB=root())
    assert boot(disk).journey == ["B trial 1/2"]
    assert disk.env() == {**env, "bootcount": "1"}


def test_bootenv_counts_where_there_is_grubenv_too(boot):
    disk = boot.disk(env=B, rootA=root(), rootB=root())
    disk.set_env({"resin_root_part": "A"}, file="grubenv")
    assert boot(disk).journey == ["B normal 0/2"]


def test_grubenv_counts_where_there_is_no_bootenv(boot):
    disk = boot.disk(rootA=root(), rootB=root())
    disk.set_env(TRIAL, file="grubenv")
    assert boot(disk).journey == ["B trial 1/2"]
    assert disk.read("boot", "bootenv") is None
    assert disk.env()["bootcount"] == "1"


def test_environment_that_is_a_directory_is_passed_over(boot):
    disk = boot.disk(rootA=root(), rootB=root())
    disk.write("boot", "bootenv/inside", b"")
    assert boot(disk).journey == ["A normal 0/2"]


def test_trial_without_any_counter_file_is_given_one(boot):
    disk = boot.disk(env=TRIAL, rootA=root(), rootB=root())
    boot(disk)
    assert len(disk.env_bytes()) == 1024
    assert disk.env()["bootcount"] == "1"
