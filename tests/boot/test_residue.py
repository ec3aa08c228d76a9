# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is left after hand-over: nothing in memory but the keys of live mappings, and no way to have
the TPM give a secret out once more.

Memory is looked at twice. When the root's kernel has come to its first instruction (it is one that
stops there), all that Tugboot and its kernel left is still there to be found, and of secrets there
are only the volume keys in the key bag. When the root's system runs, on a kernel that wipes nothing
by itself, as those of distributions, there are only the keys of the mappings. That the search can
find them is shown by the same without wiping.
"""

import base64
import hashlib
import hmac
import os
import re
from dataclasses import dataclass, field

import pytest

from harness import ASKS, bls_entry, images, luks, part, root
from harness.device import PCRS, Device
from harness.memory import Memory, Secret
from harness.unsealing import Passphrase, Sealed, tools
from test_unlock import BY, SIGNATURE_FILE

# What Debian's kernels do not do either.
NOTHING_WIPED = "init_on_free=0 init_on_alloc=0"

# In the initramfs this takes the bootloader's own wiping away: see keep.c.
PRELOAD = {"/etc/ld.so.preload": "/lib/keep.so\n"}

WRAPPING = b"tugboot volume keys"

# The key of a live mapping by aes-xts is once in the kernel: in its cipher's context, as the first
# words of the key schedules of its two halves, which lie apart. dm-crypt wipes the copy of its own
# (crypt_ctr_cipher() in dm-crypt.c, for keys from a keyring). Of each half, the first 16 bytes are
# there a second time: a schedule for decryption ends with them (FIPS 197, 5.3.5).
LIVE = {0: 2, 16: 1, 32: 2, 48: 1}
# The key bag in the root's kernel's initrd has it once.
HANDED_OVER = {0: 1, 16: 1, 32: 1, 48: 1}


@dataclass(frozen=True)
class Form:
    """How the volumes are enrolled and opened."""

    enroller: str
    method: str
    unlock: str = "tpm2"
    asks: str = ""
    kinds: tuple = ("passphrase", "volume key")  # of secrets that there are without wiping

    def __str__(self):
        return f"{self.enroller}, {self.method}"


# Pages that are free before the jump may be used again, and which ones hangs on how much memory a
# form takes: where that is so, only the key bag's copies are sure to be there without wiping.
TPM_KINDS = ("sealed secret", "passphrase", "volume key")
SURE_KINDS = ("volume key",)
PIN_ASKED, RECOVERY_ASKED = "^PIN for this device: ", "^Recovery key for this device: "

FORMS = [
    Form("systemd-cryptenroll", "PCR", kinds=TPM_KINDS),
    Form("systemd-cryptenroll", "signed", kinds=TPM_KINDS),
    Form("systemd-cryptenroll", "PIN", "pin", PIN_ASKED, SURE_KINDS),
    Form("systemd-cryptenroll", "recovery", "recovery", RECOVERY_ASKED, SURE_KINDS),
    Form("systemd-cryptenroll", "RSA primary", kinds=TPM_KINDS),
    Form("balena form", "PCR"),
    Form("balena form", "OR"),
    Form("tugboot", "PCR", kinds=SURE_KINDS),
    Form("tugboot", "OR", kinds=SURE_KINDS),
    Form("tugboot", "signed", kinds=SURE_KINDS),
    Form("tugboot", "PIN", "pin", PIN_ASKED, SURE_KINDS),
    Form("tugboot", "recovery", "recovery", RECOVERY_ASKED, SURE_KINDS),
    Form("key file", "in the image", "keyfile"),
]

# In each run of the tests; the others are long ones.
SHOWN = ("systemd-cryptenroll, PCR", "tugboot, PIN", "systemd-cryptenroll, recovery",
         "balena form, PCR", "key file, in the image")


def by_key_file(device, _):
    """A key slot of what is in the image."""
    made = KeyFile()
    for name in device.volumes:
        with device.disk.header(name) as volume:
            luks.enrol_balena(volume, made.passphrase)
            luks.seal(volume)
    return made


@dataclass
class KeyFile:
    """As test_unlock.Enrolment."""

    pin: str = ""
    recovery: str = ""
    signatures: str = ""
    passphrase: bytes = field(default_factory=lambda: base64.b64encode(os.urandom(32)))


def from_tpm(device, made):
    """What the TPM has for the volumes."""
    found = set()
    with device.enrolling() as tcti:
        for name in device.volumes:
            with device.disk.header(name) as volume:
                tokens = [t for t in luks.tokens(volume).values() if "tpm2-blob" in t]
            for token in tokens:
                asking = Sealed(token, made.pin, made.signatures)
                found.add(asking.unseal(tcti, device.disk.path.parent / "asking"))
    return found


def slot_keys(device, passphrase):
    """The keys of the key slots' areas, of those with PBKDF2."""
    for name in device.volumes:
        with device.disk.header(name) as volume:
            slots = luks.metadata(volume)["keyslots"]
        for slot in slots.values():
            kdf = slot["kdf"]
            if kdf["type"] == "pbkdf2":
                yield hashlib.pbkdf2_hmac(kdf["hash"], passphrase, base64.b64decode(kdf["salt"]),
                                          kdf["iterations"], slot["area"]["key_size"])


def expand(secret):
    """HKDF-SHA256 of 32 bytes, without salt (RFC 5869)."""
    key = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(key, WRAPPING + b"\1", "sha256")


def secrets_of(device, form, made):
    """All that must not be found, but for the volumes' keys."""
    found = []
    texts = {made.recovery.encode(), getattr(made, "passphrase", b"")}
    if form.enroller != "balena form" and form.unlock in ("tpm2", "pin"):
        for secret in from_tpm(device, made):
            found.append(Secret("sealed secret", secret))
            found.append(Secret("wrapping key", expand(secret)))
            texts.add(base64.b64encode(secret))
    if made.pin:
        found.append(Secret("PIN", made.pin.encode()))
        found.append(Secret("its hash", hashlib.sha256(made.pin.encode()).digest()))
    for text in texts - {b""}:
        found.append(Secret("passphrase", text))
        found += [Secret("key of a slot", key) for key in slot_keys(device, text)]
    return found


def make_device(boot, form, volumes, roots, **how):
    """A device and what opens it."""
    device = Device(boot, roots, volumes, **how)
    made = (by_key_file if form.enroller == "key file" else BY[form.enroller])(device, form.method)
    if made.signatures:
        device.disk.write("efi", SIGNATURE_FILE, made.signatures)
    if form.enroller == "balena form":
        made.passphrase = BALENA
    return device, made


BALENA = b"correct horse battery staple, 64 characters of them in real ones"


def os_root(**how):
    """A root without an initrd of its own, whose kernel wipes nothing and whose system waits."""
    entry = bls_entry(NOTHING_WIPED, initrd=False, more="tugboot-initrd yes\n")
    return root(os_role=True, probe="ask", files={"/boot/loader/entries/probe.conf": entry}, **how)


def stopped_root():
    """The same with a kernel that stops at its first instruction."""
    return os_root(kernel=images.hanging_kernel())


def image(boot, form, made, wiping):
    """The initramfs."""
    files = {}
    if not wiping:
        files = {**PRELOAD, "/lib/keep.so": images.library("keep")}
    if form.enroller == "key file":
        files["/tugboot.key"] = made.passphrase
    if not files:
        return None
    path = boot.work / "initramfs"
    path.write_bytes(images.initramfs_with(files))
    return path


def memory_of(boot, device, form, made, policy, running=False, wiping=True):
    """Boots it, and looks at its memory: when the root's kernel begins, or when its system runs."""
    append = f"{policy} tugboot.unlock={form.unlock}" + ("" if wiping else f" {NOTHING_WIPED}")
    with device.guest(boot, append, initrd=image(boot, form, made, wiping)) as guest:
        if form.asks:
            guest.expect(form.asks, 120)
            guest.send((made.pin or made.recovery) + "\r")
        guest.expect(ASKS if running else "Starting new kernel", 180)
        if not running:
            guest.wait_halted(60)
        log = boot.result(guest)
        assert log.journey == (["A normal 0/2"] if running else [])
        assert log.said(f"^unlock by={form.unlock} ")
        return Memory.of(guest)


def told(memory, found):
    """What was found, for who has to find out where it comes from."""
    return "\n".join(
        f"{secret.name} {form} +{at}: {address:#x} {memory.around(address).hex()}"
        for (secret, form, at), addresses in found.items() for address in addresses[:4]
    )


def check_left(memory, secrets, keys=(), copies=None):
    """None of these secrets is anywhere; these keys are there in as many copies, and in no more."""
    found = memory.find([*secrets, *keys])
    live = {(key, "as it is", at): n for key in keys for at, n in copies.items()}
    assert {what: len(addresses) for what, addresses in found.items()} == live, told(memory, found)


def volume_keys(device):
    return [Secret("volume key", device.disk[name].luks.key) for name in device.volumes]


def in_make_test(form):
    marks = [] if str(form) in SHOWN else [pytest.mark.long]
    return pytest.param(form, id=str(form), marks=marks)


def a_device(boot, form, of_root):
    """With two volumes; one where there is a recovery key, of which systemd makes one for each."""
    volumes = ("rootA",) if form.unlock == "recovery" else ("rootA", "data")
    device, made = make_device(boot, form, volumes, {"rootA": of_root})
    return device, made, secrets_of(device, form, made), f"tugboot.encrypted={','.join(volumes)}"


@pytest.mark.parametrize("form", [in_make_test(form) for form in FORMS])
def test_the_roots_kernel_gets_the_key_bag_and_no_other_secret(boot, record_property, form):
    device, made, secrets, policy = a_device(boot, form, stopped_root())
    keys = volume_keys(device)

    memory = memory_of(boot, device, form, made, policy)
    check_left(memory, secrets, keys, HANDED_OVER)

    memory = memory_of(boot, device, form, made, policy, wiping=False)
    found = memory.find([*secrets, *keys])
    kinds = {secret.name for (secret, _, at), addresses in found.items()
             if secret.name != "volume key" or len(addresses) > HANDED_OVER.get(at, 0)}
    assert set(form.kinds) <= kinds, told(memory, found)
    record_property("shown", f"without wiping: {', '.join(sorted(kinds))}")


@pytest.mark.parametrize("form", [in_make_test(form) for form in FORMS])
def test_the_running_root_has_the_keys_of_its_mappings_and_no_other_secret(boot, form):
    device, made, secrets, policy = a_device(boot, form, os_root())
    memory = memory_of(boot, device, form, made, policy, running=True)
    check_left(memory, secrets, volume_keys(device), LIVE)


@pytest.mark.parametrize("form", [in_make_test(form) for form in FORMS])
def test_keys_that_are_not_handed_over_are_nowhere(boot, form):
    device, made = make_device(boot, form, ("data",), {"rootA": stopped_root()})
    secrets = secrets_of(device, form, made) + volume_keys(device)
    memory = memory_of(boot, device, form, made, "tugboot.keys=none")
    check_left(memory, secrets)


# Every token of a disk is tried with Debian's tools: in a system that was started without Tugboot,
# where each opens its volume, and in the root that Tugboot started from the same disk, where none may.

# Volume -> form, as test_unlock enrols it.
ENROLLED = {
    "systemd-cryptenroll": {"boot": "RSA primary", "rootB": "PCR", "state": "signed", "data": "PIN"},
    "tugboot": {"boot": "RSA primary", "rootB": "OR", "state": "signed", "data": "PIN"},
}


def enrol_one(device, enroller, volume, method):
    """One volume; test_unlock does all of a device."""
    everything = device.volumes
    device.volumes = (volume,)
    try:
        return BY[enroller](device, method)
    finally:
        device.volumes = everything


def attach(device, volume, made):
    """The line by which systemd opens it."""
    options = "tpm2-device=auto,headless=1"
    if made.signatures:
        options += f",tpm2-signature={SIGNATURES}"
    pin = f"PIN={made.pin} " if made.pin else ""
    return pin + luks.attach(f"/dev/vda{device.disk[volume].number}", options, "-", volume)


ROOT_SIZE = 64  # MiB: its initrd has Debian's tools
SIGNATURES = f"/etc/{SIGNATURE_FILE}"


class Tries:
    """Lines for the probe, and which of them decide."""

    def __init__(self):
        self.files = dict(tools())
        self.lines = []
        self.deciding = {}  # what is tried -> number of its last line

    def add(self, what, lines, files=None):
        self.lines += lines
        self.files.update(files or {})
        self.deciding[what] = len(self.lines)

    def ask(self, what, asking):
        files, lines = asking.in_guest(f"/asking/{len(self.lines)}")
        self.add(what, lines, files)

    def succeeded(self, run):
        """What of it was given out; every line must have run."""
        exits = re.findall(r"^PROBE command=(\d+) exit=(\d+)$", run.console, re.MULTILINE)
        exits = {int(number): int(status) for number, status in exits}
        assert len(exits) == len(self.lines) and 127 not in exits.values()
        return {what for what, number in self.deciding.items() if exits[number] == 0}


@pytest.mark.parametrize("enroller", ENROLLED)
def test_no_method_unseals_again(boot, record_property, enroller):
    forms = ENROLLED[enroller]
    device = Device(boot, {"rootA": part("ext4", size=ROOT_SIZE)}, tuple(forms))
    tries = Tries()
    for volume, method in forms.items():
        made = enrol_one(device, enroller, volume, method)
        if made.signatures:
            device.disk.write("efi", SIGNATURE_FILE, made.signatures)
            tries.files[SIGNATURES] = made.signatures
        with device.disk.header(volume) as header:
            tokens = [t for t in luks.tokens(header).values() if "tpm2-blob" in t]
        for token in tokens:
            asking = Sealed(token, made.pin, made.signatures)
            tries.ask(f"{method}, {token['type']}, by tpm2-tools", asking)
            if token["type"] == "systemd-tpm2":
                tries.add(f"{method}, by systemd-cryptsetup", [attach(device, volume, made)])
    if enroller == "systemd-cryptenroll":
        with device.enrolling() as tcti:
            luks.write_balena(tcti, BALENA, PCRS)
        tries.ask("balena's passphrase, by tpm2-tools", Passphrase(PCRS))
    initrd = luks.systemd_initrd(tries.lines, tries.files)
    kept = boot.work / "initrd"
    kept.write_bytes(initrd)
    # What the root holds is known only now.
    other = boot.disk(rootA=root(initrd=initrd, size=ROOT_SIZE))
    other.copy_out("rootA", boot.work / "rootA.img")
    device.disk.copy_in("rootA", boot.work / "rootA.img")
    is_root = f"root=UUID={other['rootA'].uuid}"

    run = boot(device.disk, tpm=device.tpm, role="", initrd=kept, append=is_root)
    assert tries.succeeded(run) == set(tries.deciding)

    run = boot(device.disk, tpm=device.tpm, append="tugboot.unlock=tpm2 tugboot.keys=none")
    assert run.said("^unlock by=tpm2 volumes=") and run.said("^cap ")
    assert run.journey == ["A normal 0/2"]
    assert tries.succeeded(run) == set()
    record_property("shown", f"refused after hand-over: {'; '.join(tries.deciding)}")
