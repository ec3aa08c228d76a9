# SPDX-License-Identifier: LGPL-2.1-or-later
"""`tugboot env` and Debian's fw_printenv and fw_setenv (libubootenv-tool) take turns on one
environment: in uboot.env, in two files, or where fw_env.config says. What either writes, the other
one reads, whoever wrote before.

TUGBOOT_DIFFERENTIAL_COMMANDS   how many environments (300; 3000 in the long test)
TUGBOOT_DIFFERENTIAL_SEED       which series (1)
"""

import collections
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

import agree
import base
import pytest
from agree import expect

FW_PRINTENV, FW_SETENV = shutil.which("fw_printenv"), shutil.which("fw_setenv")
SHARE = 25
TURNS = 5
CONFIG = "fw_env.config"
# What its own copy is called among the files; the commands never show it.
FILES = ("uboot.env", "uboot-redund.env")

KEYS = (b"resin_root_part", b"upgrade_available", b"bootcount", b"bootlimit", b"bootcmd", b"ustate")
# One variable a line is how both print them; a name that starts with '-' would be an option.
NAME_BYTES = bytes(set(range(1, 256)) - set(b"=\n-"))
VALUE_BYTES = bytes(set(range(1, 256)) - set(b"\n"))


def a_name(rng):
    if rng.random() < 0.6:
        return rng.choice(KEYS)
    return bytes(rng.choice(rng.choice((NAME_BYTES, b"abc_ #.\xc3\xa9")))
                 for _ in range(rng.randrange(1, 12)))


def a_value(rng, empty=True):
    if rng.random() < 0.4:
        return rng.choice((b"0", b"1", b"2", b"A", b"B", b"1 "))
    return bytes(rng.choice(VALUE_BYTES)
                 for _ in range(rng.randrange(0 if empty else 1, rng.choice((6, 40, 300)))))


def variables(printed):
    """Of one name the last counts."""
    lines = printed.split(b"\n")[:-1]
    return dict(line.split(b"=", 1) for line in lines)


class Environment:
    """A boot partition, as a directory, with an environment that either tool changes."""

    def __init__(self, rng, where):
        self.where = where
        self.form = rng.choice((base.SINGLE, base.REDUNDANT))
        self.size = rng.choice((0x400, 0x800, 0x4000))
        self.config = where / CONFIG
        # Where the commands look when there is no configuration; fw_printenv wants one.
        self.hidden = where / "config-of-fw_printenv"
        self._place(rng)

    def _place(self, rng):
        copies = 2 if self.form == base.REDUNDANT else 1
        configured = rng.random() < 0.6
        one_file = configured and rng.random() < 0.5
        places, end = [], 0
        for i in range(copies):
            name = "env.img" if one_file else FILES[i]
            offset = end + rng.randrange(0x300) if configured else 0
            places.append((self.where / name, offset))
            end = offset + self.size if one_file else 0
        for path, offset in places:
            data = path.read_bytes() if path.exists() else b""
            image = base.Uboot(self.size, self.form)
            if rng.random() < 0.8:
                image.set(b"from", b"the start")
                image.seal(rng.randrange(256))
            else:
                # Damaged.
                image = base.Uboot(self.size, self.form, rng.randbytes(self.size))
            path.write_bytes(data.ljust(offset, b"Z") + image.data())
        self.places = places
        text = "".join(f"{path} {offset:#x} {self.size:#x}\n" for path, offset in places)
        (self.config if configured else self.hidden).write_text(text)
        self.their_config = self.config if configured else self.hidden

    def images(self):
        found = []
        for path, offset in self.places:
            with open(path, "rb") as file:
                file.seek(offset)
                found.append(base.Uboot(self.size, self.form, file.read(self.size)))
        return found

    def counts(self):
        """Is there an image that counts?"""
        images = self.images()
        return (images[0].whole() if self.form == base.SINGLE else base.choose(images) >= 0)

    def _run(self, *command):
        return subprocess.run(command, capture_output=True, check=False)

    def tugboot(self, verb, *words):
        return self._run(agree.TUGBOOT, "--boot", self.where, "env", verb,
                         *(("--", *words) if words else ()))

    def read_by_tugboot(self):
        done = self.tugboot("list")
        expect(done.returncode == 0, "tugboot reads it", error=done.stderr)
        return variables(done.stdout)

    def read_by_fw_printenv(self):
        done = self._run(FW_PRINTENV, "-c", self.their_config)
        return variables(done.stdout) if done.returncode == 0 else None

    def room_left(self, values):
        return self.size - self.form - sum(len(n) + len(v) + 2 for n, v in values.items())

    def change_by_fw_setenv(self, rng, values):
        """The values then; with `-s` several in one write."""
        changes = {a_name(rng): a_value(rng, empty=False)}
        script = self.where / "script"
        if rng.random() < 0.5:
            [(name, value)] = changes.items()
            command = ["--", name, value]
        else:
            # Its script: a line each, without value to remove; '#' starts a comment.
            changes = {a_name(rng): None if rng.random() < 0.3 else a_value(rng, empty=False)
                       for _ in range(rng.randrange(1, 4))}
            changes = {name: value and value.strip(b" \t\r\n") or None
                       for name, value in changes.items()
                       if not name.startswith(b"#") and not set(name) & set(b" \t\r\n")}
            script.write_bytes(b"".join(name + b"=" + (value or b"") + b"\n"
                                        for name, value in changes.items()))
            command = ["-s", script]
        after = {name: value for name, value in {**values, **changes}.items() if value is not None}
        if self.room_left(after) == 0:
            return values  # it would write no end, and read behind the image from then on
        done = self._run(FW_SETENV, "-c", self.their_config, *command)
        script.unlink(missing_ok=True)
        expect((done.returncode == 0) == (self.room_left(after) > 0), "fw_setenv takes what fits",
               error=done.stderr, after=after)
        return after if done.returncode == 0 else values

    def change_by_tugboot(self, rng, values):
        if rng.random() < 0.3:
            names = {a_name(rng) for _ in range(rng.randrange(1, 3))}
            done = self.tugboot("unset", *names)
            expect(done.returncode == 0, "tugboot can always remove", error=done.stderr)
            return {name: value for name, value in values.items() if name not in names}
        after, steps = values, []
        for _ in range(rng.randrange(1, 4)):
            name, value = a_name(rng), a_value(rng)
            after = {**after, name: value}
            steps.append((name, value, self.room_left(after)))
        done = self.tugboot("set", *(name + b"=" + value for name, value, _ in steps))
        expect((done.returncode == 0) == all(room > 0 for _, _, room in steps),
               "tugboot takes what fits", error=done.stderr, steps=steps)
        return after if done.returncode == 0 else values


def compare_one(rng, where, counts):
    environment = Environment(rng, where)
    counts["environments"] += 1
    counts["redundant"] += environment.form == base.REDUNDANT
    values = environment.read_by_fw_printenv()
    if values is None:
        counts["without a valid image"] += 1
        expect(not environment.counts(), "fw_printenv refuses only what is damaged")
        expect(environment.read_by_tugboot() == {}, "tugboot believes nothing of it either")
        values = environment.change_by_tugboot(rng, {})
    else:
        expect(environment.read_by_tugboot() == values, "both read the same at first")
    for _ in range(TURNS):
        if not values and not environment.counts():
            values = environment.change_by_tugboot(rng, values)
            continue
        if rng.random() < 0.5:
            values = environment.change_by_fw_setenv(rng, values)
            counts["written by fw_setenv"] += 1
        else:
            values = environment.change_by_tugboot(rng, values)
            counts["written by tugboot"] += 1
        ours, theirs = environment.read_by_tugboot(), environment.read_by_fw_printenv()
        expect(ours == values, "tugboot reads it", ours=ours, expected=values)
        if environment.counts():
            expect(theirs == values, "fw_printenv reads it", theirs=theirs, expected=values)
        else:
            # Removing what is not there from what is damaged writes nothing.
            expect(values == {}, "something that was set is stored", expected=values)


def compare_some(seed, numbers):
    counts, failures = collections.Counter(), []
    for number in numbers:
        # Not in /dev/shm: what is under /dev is a device for tugboot, and must be the boot disk.
        with tempfile.TemporaryDirectory() as where:
            try:
                compare_one(random.Random(f"{seed}/{number}"), Path(where), counts)
            except agree.Disagreement as failed:
                failures.append(f"seed {seed}, environment {number}: {failed}")
    return counts, failures


def compare_series(capsys, seed, environments):
    if not FW_PRINTENV or not FW_SETENV:
        pytest.skip("fw_printenv is not installed (Debian: libubootenv-tool)")
    environments = agree.number_of(environments, "TUGBOOT_DIFFERENTIAL_COMMANDS")
    counts, failures = agree.in_parallel(
        compare_some, [(seed, numbers) for numbers in agree.shares(environments, SHARE)])
    agree.report(capsys, f"fw_printenv and fw_setenv, seed {seed}", counts, failures)
    assert counts["environments"] == environments
    assert counts["written by fw_setenv"] > environments
    assert counts["written by tugboot"] > environments
    assert counts["without a valid image"] > environments // 20


def test_tugboot_and_fw_setenv_take_turns(capsys):
    compare_series(capsys, agree.SEED, 300)


@pytest.mark.long
def test_tugboot_and_fw_setenv_take_turns_on_many_more_environments(capsys):
    compare_series(capsys, agree.SEED + "-long", 3000)
