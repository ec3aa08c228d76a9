# SPDX-License-Identifier: LGPL-2.1-or-later
"""Unlocking that goes wrong, with and without anybody's bad will: the log says what was found and
what happens next, the next method is tried, and the device comes to an end within a bound: a root,
or a reboot.

A TPM that fails is a real one whose answers the relay of harness/tpm.py replaces or keeps back.
"""

import re
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import Callable

import pytest

from harness import INITRD, Boot, artifact, bls_entry, images, luks, root
from harness.device import PCRS, SILENT_FIRMWARE, Device
from harness.tools import HarnessError, run
from harness.tpm import RC_FAILURE, RC_LOCKOUT, RC_RETRY, refusal

OS_ROLE = {"/boot/loader/entries/probe.conf": bls_entry(initrd=False, more="tugboot-initrd yes\n")}
VOLUMES = ("rootA", "data")
POLICY = f"tugboot.encrypted={','.join(VOLUMES)} tugboot.backoff=1 tugboot.prompt=20"
PIN = "4711-abc"
KEY = "a key that is in the image, for development"
RC_TESTING = 0x90A

# Of a root that has its own: `boot` is the first partition.
OWN_INITRD = luks.systemd_initrd([
    luks.attach(f"/dev/vda{number}", "headless=1", "-", f"tug-{name}")
    for number, name in enumerate(VOLUMES, 2)
])

ASKS_PIN, ASKS_RECOVERY = "^PIN for this device: ", "^Recovery key for this device: "

# What a boot sends to the TPM, by Tugboot's token.
JOURNEY = ("GetCapability", "PCR_Read", "CreatePrimary", "Load", "StartAuthSession", "PolicyPCR",
           "Unseal", "FlushContext", "PCR_Event", "Shutdown")


# TPMs that fail.


def failing(*commands, code=RC_FAILURE):
    """One that fails in these commands, or in all."""
    return lambda name, _: refusal(code) if not commands or name in commands else None


def busy(code, seconds=1):
    """One that is busy for so long whenever a command comes that it has not seen."""
    first = {}

    def answer(name, _):
        seen = first.setdefault(name, time.monotonic())
        # What the kernel's driver asks before there is a user.
        if name in JOURNEY[2:] and time.monotonic() < seen + seconds:
            return refusal(code)
        return None

    return answer


class Silent:
    """One that keeps back its answer to a command, until the guest is gone."""

    def __init__(self, command):
        self.command = command
        self.over = threading.Event()

    def __call__(self, name, _):
        if name == self.command:
            self.over.wait(900)


# Devices.


def enrolled(boot, form):
    """A device of that form, for tests to copy: with a recovery key, and its own way in closed."""
    words = form.split()
    made = root(files={INITRD: OWN_INITRD}, size=64) if "own" in words else root(
        os_role=True, files=OS_ROLE)
    device = Device(boot, {"rootA": made}, VOLUMES,
                    hardware=SILENT_FIRMWARE if "silent" in words else ())
    pcrs = ",".join(map(str, PCRS))
    work = boot.work
    log = "silent" not in words
    with device.enrolling() as tcti:
        run("tpm2_dictionarylockout", "-T", tcti, "--setup-parameters", "--max-tries",
            1 if "once" in words else 10, "--recovery-time", 3600)
        if words[0] == "tugboot":
            arguments = ["--pcrs", pcrs, *([] if log else ["--current"])]
            if "PIN" in words:
                (work / "pin").write_text(PIN, encoding="ascii")
                arguments += ["--pin-file", work / "pin"]
            # Two of them: each has a secret of its own.
            groups = [[name] for name in VOLUMES] if "apart" in words else [VOLUMES]
            for volumes in groups:
                device.tugboot("enroll", "add", "--tpm", tcti, *arguments, volumes=volumes,
                               log=log)
        for name in VOLUMES:
            with device.disk.header(name) as volume:
                if words[0] == "systemd":
                    luks.enrol_systemd(volume, tcti, PCRS, PIN if "PIN" in words else None)
                elif words[0] == "keyfile":
                    luks.enrol_balena(volume, KEY.encode())
    device.recovery = ""
    if words[0] != "keyfile":
        device.tugboot("recovery-key", "--to", work / "recovery", log=False)
        device.recovery = (work / "recovery").read_text(encoding="ascii").strip()
    for name in VOLUMES:
        with device.disk.header(name) as volume:
            luks.seal(volume)
    return device


@pytest.fixture(name="devices", scope="module")
def fixture_devices(tmp_path_factory):
    """One device of each form, for the tests to copy."""
    made = {}

    def give(form, boot):
        if form not in made:
            made[form] = enrolled(Boot(tmp_path_factory.mktemp("device")), form)
        return made[form].clone(boot)

    yield give
    for device in made.values():
        device.disk.path.unlink()


# The table.


@dataclass(frozen=True)
class Trouble:
    """One of it."""

    name: str
    says: tuple  # lines of the log, in this order
    form: str = "tugboot"
    append: str = "tugboot.unlock=tpm2,recovery"
    answer: Callable = None  # of the TPM
    present: bool = True
    typed: tuple = ()  # (question, answer); None for the recovery key
    starts: bool = True  # the root; else a reboot
    bound: int = 90  # seconds from the last answer to the end
    counted: int = 0  # failures that the TPM has counted in the end
    never: tuple = ()  # what the console must not say
    files: tuple = ()  # of the initramfs


RECOVERS = ((ASKS_RECOVERY, None),)
NEXT = r'^unlock by=tpm2 left=2 next=recovery'
BY_TPM = r"^unlock by=tpm2 volumes=2 of=2 unseals=1"
BY_RECOVERY = r"^unlock by=recovery volumes=2 of=2"
NOTHING_LEFT = r'^unlock by=\w+ left=2 next="go on without them"'
NOT_OPENED = r'^unlock volume=rootA .*found="no method opened it" next="the next candidate"'


def wrong(method, attempt, found="a wrong one"):
    """The line of an answer that does not open."""
    return rf'^unlock by={method} attempt={attempt}/3 found="{found}"'


TROUBLES = [
    # The TPM is not there, or says nothing but errors.
    Trouble("no TPM", (r'^tpm found=none expected="a TPM 2.0"', NEXT, BY_RECOVERY), present=False,
            typed=RECOVERS),
    Trouble("no TPM for a PIN", (r"^tpm found=none", r"^unlock by=pin left=2 next=recovery",
                                 BY_RECOVERY),
            form="tugboot PIN", append="tugboot.unlock=pin,recovery", present=False,
            typed=RECOVERS, never=("PIN for this device",)),
    Trouble("no TPM and no other method",
            (r"^tpm found=none", NOTHING_LEFT, NOT_OPENED, "^back-off "),
            append="tugboot.unlock=tpm2", present=False, starts=False),
    Trouble("the TPM fails in every command", (r"^tpm .*found=", NEXT, BY_RECOVERY),
            answer=failing(), typed=RECOVERS),
    *(Trouble(f"the TPM fails in {command}",
              (r'^tpm .*found="?(a TPM error|none)', NEXT, BY_RECOVERY),
              answer=failing(command), typed=RECOVERS)
      for command in JOURNEY[1:8]),
    Trouble("the TPM fails in Shutdown", (BY_TPM, "^cap pcrs=7"), answer=failing("Shutdown")),
    Trouble("systemd's form: the TPM fails in Unseal",
            (r'^tpm volume=rootA .*found="a TPM error" error="TPM_RC_FAILURE.*Unseal"', NEXT,
             BY_RECOVERY), form="systemd", answer=failing("Unseal"), typed=RECOVERS),
    Trouble("the TPM tests itself", (BY_TPM, "^cap pcrs=7"), answer=busy(RC_TESTING)),
    Trouble("the TPM is busy", (BY_TPM, "^cap pcrs=7"), answer=busy(RC_RETRY)),
    Trouble("the TPM is busy for ever", (r'^tpm .*error="TPM_RC_RETRY: busy', NEXT, BY_RECOVERY),
            answer=failing("Load", code=RC_RETRY), typed=RECOVERS),
    # It closes, or says that it does not.
    Trouble("the cap fails", (r'^cap pcr=7 error="TPM_RC_FAILURE.*" found="it stays open"',
                              r'^cap found="the TPM can unlock again" next="do not start the root"',
                              "^back-off "),
            answer=failing("PCR_Event"), starts=False, never=("PROBE role",)),
    Trouble("the cap fails, without a policy",
            (BY_TPM, r'^cap found="the TPM can unlock again" next="go on"'),
            append="tugboot.unlock=tpm2", form="tugboot lax", answer=failing("PCR_Event")),
    Trouble("the cap fails in a TPM that gave nothing",
            (NEXT, BY_RECOVERY, r'^cap found="the TPM can unlock again" next="go on"'),
            answer=failing("PCR_Event", "Load"), typed=RECOVERS),
    # What is measured.
    Trouble("no event log", (r'^tamper found="no event log" .*next="no unlocking by the TPM', NEXT,
                             BY_RECOVERY), form="tugboot silent", typed=RECOVERS),
    Trouble("no event log, and none is asked for", (BY_TPM, "^cap pcrs=7"), form="tugboot silent",
            append="tugboot.unlock=tpm2 tugboot.log=ignore"),
    # The PIN.
    Trouble("a wrong PIN, then the right one", (wrong("pin", 1), "^unlock by=pin volumes=2 of=2"),
            form="tugboot PIN", append="tugboot.unlock=pin",
            typed=((ASKS_PIN, "1234"), (ASKS_PIN, PIN)), counted=1),
    Trouble("a wrong PIN of two secrets is counted once",
            (wrong("pin", 1), "^unlock by=pin volumes=2 of=2 unseals=3"),
            form="systemd PIN", append="tugboot.unlock=pin",
            typed=((ASKS_PIN, "1234"), (ASKS_PIN, PIN)), counted=1),
    Trouble("three wrong PINs",
            (wrong("pin", 3), "^unlock by=pin left=2 next=recovery", BY_RECOVERY),
            form="tugboot PIN", append="tugboot.unlock=pin,recovery",
            typed=(*((ASKS_PIN, pin) for pin in "123"), *RECOVERS), counted=3),
    Trouble("locked out", (wrong("pin", 1, "the TPM is locked out"),
                           "^unlock by=pin left=2 next=recovery", BY_RECOVERY),
            form="tugboot PIN", append="tugboot.unlock=pin,recovery",
            answer=failing("Unseal", code=RC_LOCKOUT), typed=((ASKS_PIN, PIN), *RECOVERS)),
    # The console.
    Trouble("nobody is there", (wrong("pin", 1, "nobody at the console"),
                                wrong("recovery", 1, "nobody at the console"), NOTHING_LEFT,
                                NOT_OPENED, "^back-off "), form="tugboot PIN",
            append="tugboot.unlock=pin,recovery tugboot.prompt=2", starts=False),
    Trouble("an empty answer", (wrong("pin", 1, "no answer"), BY_RECOVERY), form="tugboot PIN",
            append="tugboot.unlock=pin,recovery", typed=((ASKS_PIN, ""), *RECOVERS)),
    Trouble("three wrong recovery keys", (wrong("recovery", 1), wrong("recovery", 2),
                                          wrong("recovery", 3), NOTHING_LEFT, NOT_OPENED,
                                          "^back-off "),
            append="tugboot.unlock=recovery", starts=False,
            typed=tuple((ASKS_RECOVERY, f"wrong-{n}") for n in range(3))),
    Trouble("a recovery key after a byte that stops the output", (BY_RECOVERY,),
            append="tugboot.unlock=recovery", typed=((ASKS_RECOVERY, "\x13\x15"), *RECOVERS)[1:],
            never=("nobody",)),
    Trouble("nobody has a recovery key",
            (r'^unlock by=recovery found="no volume with a recovery key" next="ask for none"',
             NOTHING_LEFT, "^back-off "), form="keyfile", append="tugboot.unlock=recovery",
            starts=False, never=("Recovery key for",)),
    # The key file, and the order.
    Trouble("a key file", (r'^unlock by=keyfile found="a key in the image"',
                           "^unlock by=keyfile volumes=2 of=2"), form="keyfile",
            append="tugboot.unlock=keyfile", files=(("/tugboot.key", KEY),)),
    Trouble("a key file that opens nothing", ("^unlock by=keyfile left=2 next=tpm2", BY_TPM),
            append="tugboot.unlock=keyfile,tpm2", files=(("/tugboot.key", "another"),)),
    Trouble("no key file", (r"^unlock by=keyfile expected=/tugboot.key error=ENOENT",
                            "^unlock by=keyfile left=2 next=tpm2", BY_TPM),
            append="tugboot.unlock=keyfile,tpm2"),
    Trouble("the TPM after the console",
            (wrong("recovery", 1, "no answer"), "^unlock by=recovery left=2 next=tpm2", BY_TPM),
            append="tugboot.unlock=recovery,tpm2", typed=((ASKS_RECOVERY, ""),)),
    # The policy.
    *(Trouble(f"policy: {word}", (rf'^policy key={word.partition("=")[0]} found=.* '
                                  'next="unlock nothing"', "^back-off "),
              append=word, starts=False, never=("unlock by=",))
      for word in ("tugboot.unlock=tpm2,luck", "tugboot.unlock=", "tugboot.keys=all",
                   "tugboot.dma=perhaps", "tugboot.log", "tugboot.form=balena",
                   "tugboot.pcrs=24")),
    Trouble("form=tugboot and Tugboot's token", (BY_TPM,), append="tugboot.form=tugboot"),
    Trouble("form=tugboot and systemd's token", (NOTHING_LEFT, NOT_OPENED, "^back-off "),
            form="systemd", append="tugboot.form=tugboot", starts=False),
]


def check(trouble, boot, device):
    """Boots it, types, and looks at how it went on."""
    device.tpm.answer = trouble.answer
    how = {}
    if trouble.files:
        how["initrd"] = boot.work / "initramfs"
        how["initrd"].write_bytes(images.initramfs_with(dict(trouble.files)))
    append = POLICY
    if "lax" in trouble.form:
        append = append.partition(" ")[2]
    with device.guest(boot, f"{append} {trouble.append}", trouble.present, **how) as guest:
        for question, answer in trouble.typed:
            guest.expect(question, 150)
            guest.send((device.recovery if answer is None else answer) + "\r")
        if trouble.starts:
            guest.wait_end(trouble.bound, max_resets=0)
        else:
            guest.wait_resets(1, trouble.bound)
        log = boot.result(guest)
    assert log.journey == (["A normal 0/2"] if trouble.starts else [])
    said = [line for _, _, line in log.log]
    lines = iter(said)
    for pattern in trouble.says:
        assert any(re.search(pattern, line) for line in lines), (pattern, said)
    for text in trouble.never:
        assert text not in log.console
    if isinstance(trouble.answer, Silent):
        trouble.answer.over.set()
    device.tpm.answer = None
    if trouble.present:
        with device.tpm.powered():
            assert device.tpm.lockout_counter() == trouble.counted
    return log


# Every other one is for the long series.
SAMPLED = [pytest.param(trouble, id=trouble.name, marks=[pytest.mark.long] if number % 2 else [])
           for number, trouble in enumerate(TROUBLES)]


@pytest.mark.parametrize("trouble", SAMPLED)
def test_next_step_is_taken(boot, devices, trouble):
    """One of the table."""
    check(trouble, boot, devices(trouble.form, boot))


def lock(device):
    """As many wrong answers as the TPM takes: one, on a device that is enrolled `once`."""
    with device.tpm.powered() as tcti, tempfile.TemporaryDirectory() as work:
        key, sealed = f"{work}/key", f"{work}/sealed"
        run("tpm2_createprimary", "-T", tcti, "-Q", "-c", key)
        run("tpm2_create", "-T", tcti, "-Q", "-C", key, "-u", f"{work}/public", "-r",
            f"{work}/private", "-i", "-", "-p", "right", "-a", "fixedtpm|fixedparent|userwithauth",
            input="x")
        run("tpm2_load", "-T", tcti, "-Q", "-C", key, "-u", f"{work}/public", "-r",
            f"{work}/private", "-c", sealed)
        with pytest.raises(HarnessError):
            run("tpm2_unseal", "-T", tcti, "-c", sealed, "-p", "wrong")
        assert device.tpm.lockout_counter() == 1


@pytest.mark.parametrize("trouble", [
    Trouble("a PIN", ("^tpm lockout=yes failures=1", wrong("pin", 1, "the TPM is locked out"),
                      "^unlock by=pin left=2 next=recovery", BY_RECOVERY),
            form="tugboot PIN once", append="tugboot.unlock=pin,recovery", counted=1,
            typed=((ASKS_PIN, PIN), *RECOVERS)),
    Trouble("systemd's form",
            ("^tpm lockout=yes failures=1",
             r'^tpm volume=rootA .*found="locked out after too many wrong PINs"', NEXT,
             BY_RECOVERY), form="systemd once", counted=1, typed=RECOVERS),
    Trouble("Tugboot's form", ("^tpm lockout=yes failures=1", BY_TPM), form="tugboot once",
            counted=1),
], ids=lambda trouble: trouble.name)
def test_locked_out_tpm(boot, devices, trouble):
    """Only Tugboot's form, without a PIN, does not take part in the TPM's counting."""
    device = devices(trouble.form, boot)
    lock(device)
    check(trouble, boot, device)


LONG = pytest.mark.long


@pytest.mark.parametrize("command, to_the_end", [
    ("PCR_Read", False),
    *(pytest.param(name, True, marks=LONG) for name in ("PCR_Read", "CreatePrimary", "Unseal")),
    *(pytest.param(name, False, marks=LONG) for name in ("Load", "StartAuthSession", "PolicyPCR")),
])
def test_tpm_that_stops_answering_costs_its_deadline(boot, devices, command, to_the_end):
    """And, at the jump, what the kernel's driver waits for it: twice five minutes at most."""
    device = devices("tugboot", boot)
    device.tpm.answer = Silent(command)
    with device.guest(boot, f"{POLICY} tugboot.unlock=tpm2,recovery") as guest:
        guest.expect(ASKS_RECOVERY, 120)
        guest.send(f"{device.recovery}\r")
        guest.expect("tugboot: watchdog state=|kexec_core: Starting new kernel", 60)
        if to_the_end:
            guest.wait_end(630, max_resets=0)
        log = boot.result(guest)
    device.tpm.answer.over.set()
    assert log.journey == (["A normal 0/2"] if to_the_end else [])
    for line in (r'^tpm .*found="?(one|a TPM) that does not answer', NEXT, BY_RECOVERY, "^go slot=A",
                 '^hang found="a driver that does not let the bootloader end"'):
        assert log.said(line), (line, [line for _, _, line in log.log])
    assert not log.said("^crash|^hang step")


def test_tpm_that_stops_answering_when_it_is_to_be_closed(boot, devices):
    with_policy = Trouble("", (BY_TPM, r'^cap pcr=7 error="PCR_Event: no answer in time"',
                               r'^cap .* next="do not start the root"', "^back-off "),
                          answer=Silent("PCR_Event"))
    device = devices("tugboot", boot)
    device.tpm.answer = with_policy.answer
    with device.guest(boot, f"{POLICY} tugboot.unlock=tpm2") as guest:
        guest.expect("tugboot: back-off .*$", 90)
        # QEMU does not reset a machine whose TPM is at work.
        with_policy.answer.over.set()
        guest.wait_resets(1, 90)
        log = boot.result(guest)
    assert log.journey == []
    for line in with_policy.says:
        assert log.said(line), log.log


def test_console_that_never_ends_its_line(boot, devices):
    """As noise on a serial line would be."""
    device = devices("tugboot", boot)
    append = f"{POLICY} tugboot.prompt=2 tugboot.unlock=recovery,tpm2"
    with device.guest(boot, append) as guest:
        guest.expect(ASKS_RECOVERY, 90)
        for _ in range(60):
            guest.send("x")
            guest.pause(0.5)
            if BY_RECOVERY_ENDS in guest.console:
                break
        guest.wait_end(90, max_resets=0)
        log = boot.result(guest)
    assert log.said(wrong("recovery", 1, "an answer without an end"))
    assert log.journey == ["A normal 0/2"]


BY_RECOVERY_ENDS = "an answer without an end"

# A bootloader that does not come to its end.


@dataclass(frozen=True)
class Crash:
    """Where the saboteur ends it, and how the next run goes."""

    name: str
    append: str
    says: tuple
    starts: bool = True
    typed: tuple = ()


CRASHES = [
    Crash("before the first method", "sabotage=end:0", ("^crash step=unlock", BY_TPM)),
    Crash("at the TPM", "sabotage=end:T tugboot.unlock=tpm2,recovery",
          ("^crash step=unlock slot=T", '^tpm found="it hung or crashed the bootloader" '
           'next="do without it"', NEXT, BY_RECOVERY,
           '^cap found="a TPM that hung or crashed the bootloader"'), typed=RECOVERS),
    Crash("over the header of data", "sabotage=end:d",
          ("^crash step=unlock slot=d", '^unlock volume=data .*found="a header that crashed or hung '
           'the bootloader" next="do not open it"', "^unlock by=tpm2 volumes=1 of=2", "^cap ")),
    Crash("over the root's header", "sabotage=end:A",
          ("^crash step=unlock slot=A", "^back-off "), starts=False),
]


@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: crash.name)
def test_bootloader_that_crashes_while_it_unlocks_is_run_again(boot, devices, crash):
    initrd = boot.work / "sabotaged.cpio"
    initrd.write_bytes(images.initramfs_with({
        "/bootloader": images.program("saboteur"), "/bootloader.real": artifact("bootloader"),
    }))
    device = devices("tugboot", boot)
    with device.guest(boot, f"{POLICY} {crash.append}", initrd=initrd) as guest:
        for question, _ in crash.typed:
            guest.expect(question, 90)
            guest.send(f"{device.recovery}\r")
        if crash.starts:
            guest.wait_end(90, max_resets=0)
        else:
            guest.wait_resets(1, 90)
        log = boot.result(guest)
    assert log.journey == (["A normal 0/2"] if crash.starts else [])
    for line in crash.says:
        assert log.said(line), (line, [line for _, _, line in log.log])


# Somebody who holds the disk and can use the TPM, and wants the keys of the other volumes.


def named_everywhere(device):
    """The secret of rootA is named in the headers of the others as well, without a wrapped key:
    so it would be one of all."""
    with device.disk.header("rootA") as volume:
        (token,) = luks.tokens(volume, "tugboot-tpm2").values()
    token.pop("volume-key")
    with device.disk.header("data") as volume:
        (slot,) = [token["keyslots"] for token in luks.tokens(volume, "tugboot-tpm2").values()]
        luks.set_token(volume, {**token, "keyslots": slot, "volume-role": "data"})


@pytest.mark.parametrize("change, says", [
    (lambda device: None,
     r'^tamper volume=\w+ .*found="a volume of another enrolment" .*next="no unlocking'),
    (named_everywhere,
     r'^tamper volume=rootA .*found="a secret that does not open the others" .*next="do not open'),
], ids=["a secret of its own", "and it is named in every header"])
def test_root_with_a_secret_of_its_own_gets_no_keys(boot, devices, change, says):
    """Sealed in this TPM, under the right PCRs."""
    device = devices("tugboot apart", boot)
    change(device)
    with device.guest(boot, f"{POLICY} tugboot.unlock=tpm2") as guest:
        guest.expect("tugboot: back-off .*$|^PROBE end", 90)
        log = boot.result(guest)
    assert log.journey == []
    assert log.said(says), [line for _, _, line in log.log]
    assert not log.said("^unlock by=tpm2 volumes=")
    assert log.said(NOT_OPENED)


# Whom the keys go to.

HAS_NONE = r'^keys found="a root with its own initrd" next="it gets no keys; tugboot.keys=initrd'


@pytest.mark.parametrize("keys, opens, says", [
    ("initrd", True, BY_TPM), ("none", False, BY_TPM), ("os", False, HAS_NONE),
])
def test_own_initrd_gets_key_files_when_it_is_to(boot, devices, keys, opens, says):
    """Debian's systemd-cryptsetup in the root's own initrd, with neither options nor TPM: it looks
    for key files where it always does."""
    device = devices("tugboot own", boot)
    append = f"{POLICY} tugboot.unlock=tpm2 tugboot.keys={keys}"
    with device.guest(boot, append) as guest:
        guest.expect(r"^PROBE command=2 exit=\d+\n", 120)
        if opens:
            guest.wait_end(60, max_resets=0)
        log = boot.result(guest)
    assert log.said(says)
    codes = re.findall(r"^PROBE command=\d exit=(\d+)$", log.console, re.MULTILINE)
    assert [code == "0" for code in codes] == [opens] * 2
    if opens:
        assert (log.starts[0].role, log.starts[0].root) == ("initrd", "disk1:rootA")
    assert device.tpm.count("Unseal") == 1


def test_tugboots_initrd_gets_nothing_when_nobody_is_to(boot, devices):
    """The root is not found: a reboot."""
    device = devices("tugboot", boot)
    append = f"{POLICY} tugboot.unlock=tpm2 tugboot.keys=none rootdelay=2"
    with device.guest(boot, append) as guest:
        guest.wait_resets(1, 120)
        log = boot.result(guest)
    assert log.journey == []
    assert log.said(r"^go slot=A") and log.said("^root expected=.* found=none .*next=reboot")
