# SPDX-License-Identifier: LGPL-2.1-or-later
"""Power cuts while volumes are enrolled, sealed again, given a recovery key or have one removed.

The real command runs once on image files and a real TPM, and a preloaded library (cuts_hook.c)
records each write, each sync and each TPM command, with the TPM's state before it. From the record
every state that a cut could have left is made: before each write, in the middle of it, with it on
the disk but not what was written before since the last sync, and before each TPM command. Each is
started: the TPM after a loss of power, the PCRs as a firmware leaves them. Then all that was
enrolled before the command or is after it must open each volume, the dictionary attack counter is
0, and no key slot is such that a boot would refuse the volume. In every few states the command
runs again and completes.
"""

import os
import struct
import subprocess

import pytest
from encrypted import HOOK, device_in, passes

ROLES = ["rootA", "data"]
SECTOR = 512
# Without `long`, every so many of all states, and in every so many of those the command runs again.
EVERY, EVERY_AGAIN = 3, 5

# TPM 2.0 Library part 2, 6.5.2: what uses a key, and what tells that power may go.
USES = {0x153: "Create", 0x157: "Load", 0x15E: "Unseal"}
SHUTDOWN = 0x145


class Event:
    """What the hook recorded: its letter, and what stands behind it."""

    def __init__(self, kind, *values):
        self.kind, self.values = kind, values


def read_events(path):
    data, at, events = path.read_bytes(), 0, []
    while at < len(data):
        kind = chr(data[at])
        values = struct.unpack_from(f"={dict(W=3, F=1, T=2, R=0)[kind]}I", data, at + 1)
        at += 1 + 4 * len(values)
        if kind == "W":
            image, offset, size = values
            values = image, offset, data[at:at + size]
            at += size
        events.append(Event(kind, *values))
    return events


class Record:
    """One run of a command: what was on disks and TPM before, and all that it did to them."""

    def __init__(self, base, events, states):
        self.base = base      # contents of the images
        self.events = events
        self.states = states  # the TPM's before each command, and after the last

    def points(self):
        """All states: the number of an event, and what of it is on the disk."""
        unsynced = [0 for _ in self.base]
        for i, event in enumerate(self.events):
            if event.kind == "F":
                unsynced[event.values[0]] = 0
            if event.kind != "W":
                if event.kind != "F":
                    yield i, "before"
                continue
            yield from ((i, "before"), (i, "first half"), (i, "second half"))
            if unsynced[event.values[0]]:
                yield i, "alone"
            unsynced[event.values[0]] += 1
        yield len(self.events), "before"

    def images(self, point, what):
        """Contents of the images in a state."""
        images = [bytearray(image) for image in self.base]
        synced = [bytearray(image) for image in self.base]
        for event in self.events[:point]:
            if event.kind == "W":
                image, offset, data = event.values
                images[image][offset:offset + len(data)] = data
            elif event.kind == "F":
                synced[event.values[0]] = bytearray(images[event.values[0]])
        if what == "before":
            return images
        image, offset, data = self.events[point].values
        half = len(data) // 2 // SECTOR * SECTOR
        if what == "alone":
            images[image] = synced[image]
        elif what == "first half":
            data = data[:half]
        else:
            data, offset = data[half:], offset + half
        images[image][offset:offset + len(data)] = data
        return images

    def tpm(self, point):
        """The TPM's state: what it has on its disk is of the last command."""
        done = sum(event.kind == "T" for event in self.events[:point])
        return self.states[done]

    def named(self, point):
        """Had the file of --to its name?"""
        return any(event.kind == "R" for event in self.events[:point])

    def in_use(self, point):
        """Was a key used without a Shutdown since? The last command may not have been answered."""
        used = False
        for event in self.events[:point]:
            if event.kind == "T" and event.values[1] in USES:
                used = True
            if event.kind == "T" and event.values[1] == SHUTDOWN:
                used = False
        return used

    def describe(self, point, what):
        if point == len(self.events):
            return "at the end"
        event = self.events[point]
        shown = event.values[:2] + ((len(event.values[2]),) if event.kind == "W" else ())
        return f"event {point}, {event.kind} {shown}: {what}"


class Scenario:
    """A command on a prepared device, and what there is in the end."""

    def __init__(self, *words, prepare=(), by_tpm=True, tokens=1, recovery=0):
        self.words = words
        self.prepare = prepare
        self.by_tpm = by_tpm      # does the TPM open each volume before it?
        self.tokens = tokens      # of the TPM
        self.recovery = recovery  # tokens of recovery keys


ADD = ("enroll", "add")
RECOVERY = ("recovery-key", "--to", "recovery")
SCENARIOS = {
    "add": Scenario(*ADD, by_tpm=False),
    "reseal": Scenario("reseal", prepare=[ADD]),
    "reseal-keeping": Scenario("reseal", "--keep-current", prepare=[ADD]),
    "recovery-key": Scenario(*RECOVERY, prepare=[ADD], recovery=1),
    "remove-tpm2": Scenario("enroll", "remove", "tpm2", prepare=[ADD], by_tpm=False, tokens=0),
    "remove-recovery": Scenario("enroll", "remove", "recovery", prepare=[ADD, RECOVERY]),
}


def record(device, words, work):
    """Runs a command under the hook."""
    work.mkdir()
    base = [image.read_bytes() for image in device.images.values()]
    done = subprocess.run(device.command(*words), capture_output=True, text=True, check=False,
                          timeout=120, cwd=device.work,
                          env={**os.environ, "LD_PRELOAD": str(HOOK), "CUTS_DIR": str(work),
                               "CUTS_IMAGES": ":".join(device.volumes),
                               "CUTS_STATE": str(device.tpm.file)})
    assert done.returncode == 0, done.stderr
    events = read_events(work / "events")
    commands = sum(event.kind == "T" for event in events)
    states = [(work / f"tpm-{i}").read_bytes() for i in range(commands)]
    return Record(base, events, [*states, device.tpm.file.read_bytes()])


def restore(device, rec, point, what):
    for image, contents in zip(device.images.values(), rec.images(point, what)):
        image.write_bytes(contents)
    device.tpm.file.write_bytes(rec.tpm(point))


def check(device, scenario, name):
    """Starts the device as it is. Returns the dictionary attack counter."""
    device.tpm.on()
    device.boot(cap=False)
    for volume in device.opened():
        assert volume.passphrase, (name, volume)
        assert volume.opens >= scenario.by_tpm, (name, volume)
        assert volume.opens == volume.tokens, (name, volume)  # what is half there opens, too
        assert volume.weak == 0, (name, volume)
    return device.tpm.lockout()


def complete(device, scenario, name):
    """The command again, on a system that Tugboot booted, and what there is then."""
    device.tpm.opener("cap")
    done = device.run(*scenario.words, cwd=device.work)
    # Nothing is left to remove where the cut came last of all.
    assert done.returncode == 0 or "no such token" in done.stderr, (name, done.stderr)
    device.reset()
    device.boot(cap=False)
    for volume in device.opened():
        # After a cut at its very end an enrolment is there, and another one comes.
        most = scenario.tokens + (scenario.words[:2] == ADD)
        assert scenario.tokens <= volume.tokens <= most, (name, volume)
        assert volume.passphrase and volume.opens == volume.tokens, (name, volume)
        assert volume.recovery == scenario.recovery, (name, volume)
        assert volume.planned == volume.weak == 0, (name, volume)
    assert device.tpm.lockout() == 0, name
    if scenario.recovery:
        key = (device.work / "recovery").read_text().strip()
        assert all(passes(image, key) for image in device.volumes), name


def walk(tmp_path, name, every, every_again, capsys):
    scenario = SCENARIOS[name]
    recovery = tmp_path / "recovery"
    with device_in(tmp_path, ROLES) as device:
        device.boot()
        for words in scenario.prepare:
            device.must(*words, cwd=tmp_path)
        rec = record(device, scenario.words, tmp_path / "record")
        device.tpm.cut()
        key = recovery.read_bytes() if recovery.exists() else None
        points = list(rec.points())
        looked_at = points[::every] if every > 1 else points
        for n, (point, what) in enumerate(looked_at):
            restore(device, rec, point, what)
            if scenario.words == RECOVERY:
                recovery.unlink(missing_ok=True)
                if rec.named(point):
                    recovery.touch(0o600)
                    recovery.write_bytes(key)
            where = rec.describe(point, what)
            assert check(device, scenario, where) == 0, where
            if n % every_again == 0 or n == len(looked_at) - 1:
                complete(device, scenario, where)
            device.tpm.cut()
    with capsys.disabled():
        print(f"\n{name}: {len(looked_at)} of {len(points)} cuts, all volumes open, "
              "lockout counter 0")
    return len(looked_at)


@pytest.mark.parametrize("name", SCENARIOS)
def test_after_a_cut_every_volume_opens_and_nothing_is_counted(tmp_path, name, capsys):
    assert walk(tmp_path, name, EVERY, EVERY_AGAIN, capsys) >= 20


@pytest.mark.long
@pytest.mark.parametrize("name", SCENARIOS)
def test_after_any_cut_every_volume_opens_and_the_command_completes(tmp_path, name, capsys):
    assert walk(tmp_path, name, 1, 1, capsys) >= 40


@pytest.mark.parametrize("options", [["--systemd"], ["--pin-file", "pin"]], ids=["systemd", "pin"])
def test_a_key_that_is_watched_counts_only_while_it_is_in_use(tmp_path, options, capsys):
    """systemd's primary key, and what has a PIN, must be protected from guessing, so the TPM counts
    a loss of power while they are in use: no command of theirs is left without a Shutdown behind it."""
    scenario = Scenario(*ADD, *options, by_tpm=False)
    with device_in(tmp_path, ["rootA"]) as device:
        (tmp_path / "pin").write_text("1234\n")
        device.boot()
        rec = record(device, scenario.words, tmp_path / "record")
        device.tpm.cut()
        counted, seen = 0, 0
        for point, what in rec.points():
            if point < len(rec.events) and rec.events[point].kind != "T":
                continue
            restore(device, rec, point, what)
            device.tpm.on()
            lockout = device.tpm.lockout()
            device.tpm.cut()
            assert lockout <= rec.in_use(point), rec.describe(point, what)
            counted += lockout
            seen += 1
        # Else this test could not see a count.
        assert counted > 0
    with capsys.disabled():
        print(f"\nadd {options[0]}: counted in {counted} of {seen} cuts at TPM commands")
