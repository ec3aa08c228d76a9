# SPDX-License-Identifier: LGPL-2.1-or-later
"""What somebody may do who holds the device: to the disk, to headers and tokens, to the TPM, to
what the firmware measures. A table; of each case the log must say what was found and what happens
next, and no root is started.

The last test is the other side: a device that nobody touched is never refused.
"""

import base64
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable

import pytest

from harness import Boot, bls_entry, images, luks, part, root
from harness.device import PCRS, SILENT_FIRMWARE, VOLUMES, Device
from harness.disk import MB, Disk
from harness.luks import Luks
from harness.tools import run
from harness.tpm import RC_FAILURE, Tpm, refusal

OS_ROLE = {"/boot/loader/entries/probe.conf": bls_entry(initrd=False, more="tugboot-initrd yes\n")}
POLICY = "tugboot.encrypted=all tugboot.backoff=600"
SIGNED_PCRS = (4,)
SIGNATURES = "tpm2-pcr-signature.json"


@dataclass(frozen=True)
class Case:
    """One of the table."""

    name: str
    change: Callable  # of the device, while it is off
    says: str  # a line of Tugboot's log
    form: str = "PCR"  # of the enrolment
    append: str = ""
    memory: int = 512
    hardware: tuple = ()
    tpm: bool = True
    first: tuple = ()  # a UEFI application before Tugboot: the event that it measures


def nothing(_device):
    """The change is elsewhere."""


# Partitions.


def plain(name):
    """A filesystem where the volume was, with the label that is looked for."""

    def change(device):
        this = replace(device.disk[name], luks=None, uuid="", number=0)
        image = device.disk.path.with_suffix(".plain")
        Disk(device.disk.path.with_suffix(".other"), [this]).copy_out(name, image)
        device.disk.corrupt(name, data=image.read_bytes())

    return change


def sfdisk(*arguments, script=None):
    """Changes the partition table."""
    quiet = ("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel")
    return lambda device: run(*quiet, arguments[0], device.disk.path, *arguments[1:], input=script)


def add(name, encrypted=False):
    """A partition more, of that name."""

    def change(device):
        sfdisk("--append", script=f'size=2MiB, name="{name}"\n')(device)
        if encrypted:
            table = run("sfdisk", "--dump", device.disk.path)
            start = int(re.findall(r"start= *(\d+)", table)[-1]) * 512
            with device.disk.header("rootB") as volume, open(device.disk.path, "r+b") as disk:
                disk.seek(start)
                disk.write(Path(volume).read_bytes()[:luks.HEADER_COPY])

    return change


def delete(name):
    """A partition less."""
    return lambda device: sfdisk("--delete", str(device.disk[name].number))(device)


def rename(name, to):
    """Another name in the partition table."""
    return lambda device: sfdisk("--part-label", str(device.disk[name].number), to)(device)


def contents(device, name):
    """A partition's bytes."""
    with open(device.disk.path, "rb") as disk:
        disk.seek(device.disk[name].start)
        return disk.read(device.disk[name].size * MB)


def swap(one, other):
    """Two volumes change places, headers and all."""

    def change(device):
        first, second = contents(device, one), contents(device, other)
        device.disk.corrupt(one, data=second)
        device.disk.corrupt(other, data=first)

    return change


def clone(source, target, new_uuid=False):
    """A copy of a volume in another one's place."""

    def change(device):
        device.disk.corrupt(target, data=contents(device, source))
        if new_uuid:
            with device.disk.header(target) as volume:
                run("cryptsetup", "luksUUID", volume, "--batch-mode", "--uuid", Luks().uuid)

    return change


def encrypt_efi(device):
    """A header on the partition that must be plain; the name stays in the table."""
    sfdisk("--part-label", str(device.disk["efi"].number), "tug-efi")(device)
    with device.disk.header("rootB") as volume:
        device.disk.corrupt("efi", data=Path(volume).read_bytes()[:2 * luks.HEADER_COPY])


# Headers.


def header(edit, names=("rootA",)):
    """The volumes' JSON, changed in both copies, with good checksums."""

    def change(device):
        for name in names:
            with device.disk.header(name) as volume:
                luks.write_metadata(volume, edit)

    return change


def segment(**fields):
    """Fields of the segment."""
    return header(lambda data: data["segments"]["0"].update(fields))


def token_field(**fields):
    """Fields of the TPM's token; None takes one away."""

    def edit(data):
        for token in data["tokens"].values():
            if "tpm2-blob" in token:
                token.update(fields)
                for key in [key for key, value in fields.items() if value is None]:
                    del token[key]

    return header(edit)


def token_bytes(key, at, flip=0x01, cut=None):
    """A byte of what is base64 in it."""

    def edit(data):
        for token in data["tokens"].values():
            if key in token:
                value = bytearray(base64.b64decode(token[key]))
                value[at] ^= flip
                token[key] = base64.b64encode(bytes(value[:cut])).decode()

    return header(edit)


def requirement(name):
    """A mandatory requirement of the header."""
    return header(lambda data: data["config"].update(requirements={"mandatory": [name]}))


def two_segments(data):
    """Half of the volume under another cipher."""
    first = data["segments"]["0"]
    half = 8 * MB
    data["segments"]["1"] = {**first, "offset": str(int(first["offset"]) + half)}
    first["size"] = str(half)
    data["digests"]["0"]["segments"] = ["0", "1"]


def no_slot(data):
    """Nothing opens it."""
    data["keyslots"], data["tokens"] = {}, {}
    data["digests"]["0"]["keyslots"] = []


def argon2_with_little_memory(data):
    """A slot for a passphrase that somebody thought of, and no token."""
    data["tokens"] = {}
    for slot in data["keyslots"].values():
        salt = slot["kdf"]["salt"]
        slot["kdf"] = {"type": "argon2id", "time": 4, "memory": 8192, "cpus": 1, "salt": salt}


def no_token(data):
    """The slot stays, a PBKDF2 of a thousand rounds."""
    data["tokens"] = {}


def other_type(**how):
    """Another volume in its place, of a kind that is not accepted."""

    def change(device):
        image = device.disk.path.with_suffix(".other")
        plain_image = device.disk.path.with_suffix(".inner")
        plain_image.write_bytes(bytes(MB))
        Luks(**how).write(plain_image, image, device.disk["rootA"].size * MB)
        device.disk.corrupt("rootA", data=image.read_bytes()[:luks.HEADER])

    return change


def damaged(device):
    """Both copies of the JSON, without their checksums."""
    for copy in range(2):
        device.disk.corrupt("rootA", copy * luks.HEADER_COPY + 4096, 64)


def other_volumes_token(device):
    """The token of another volume, with a slot number of this one's."""
    with device.disk.header("data") as volume:
        tokens = luks.metadata(volume)["tokens"]
    header(lambda data: data.update(tokens=tokens))(device)


def new_uuid(device):
    """As cryptsetup would change it."""
    with device.disk.header("rootA") as volume:
        run("cryptsetup", "luksUUID", volume, "--batch-mode", "--uuid", Luks().uuid)


def policies(**fields):
    """Fields of the branches of Tugboot's tokens: of all volumes, since one is enough to get the
    secret that they share."""

    def edit(data):
        for token in data["tokens"].values():
            for branch in token.get("tpm2-policies", ()):
                branch.update(fields)

    return header(edit, VOLUMES)


def nine_branches(data):
    """One more than a TPM takes."""
    for token in data["tokens"].values():
        token["tpm2-policies"] = [{"pcrs": [7], "digest": f"{n:064x}"} for n in range(9)]


# The TPM.


def other_tpm(device):
    """The disk is in another device of the same kind."""
    device.tpm = Tpm(device.disk.path.parent, "other-tpm")


def cleared_tpm(device):
    """As the firmware's menu offers it."""
    with device.tpm.powered() as tcti:
        run("tpm2_clear", "-T", tcti, "-c", "p")


def failing(command):
    """The TPM fails in one command."""

    def change(device):
        def answer(name, _command):
            return refusal(RC_FAILURE) if name == command else None

        device.tpm.answer = answer

    return change


# Signatures.


def signatures(edit):
    """The file of signatures, changed."""

    def change(device):
        device.disk.write("efi", SIGNATURES, edit(device))

    return change


def by_another_key(device):
    """A signature that is good, by a key that is not the one."""
    private, _ = luks.make_key(device.disk.path.parent, "another")
    return luks.sign_policy(private, device.public, device.values(*SIGNED_PCRS))


def of_other_values(device):
    """What was signed is a policy of other firmware."""
    return luks.sign_policy(device.private, device.public, {4: bytes(32)})


def for_another_key(device):
    """Only signatures by another key."""
    private, public = luks.make_key(device.disk.path.parent, "another")
    return luks.sign_policy(private, public, device.values(*SIGNED_PCRS))


EFI_ACTION = 0x80000007
NO_DMA_PROTECTION = (7, EFI_ACTION, "DMA Protection Disabled")

NOT_ENROLLED = r'^tamper volume=rootA .*found="a header that is not the enrolled one" expected='
REFUSED_BY_PCR = r"^tpm volume=rootA .*found=\"PCRs that the policy does not allow\""
NO_SIGNATURE = r'^tpm volume=rootA .*error="signed policy: no signature for these PCRs"'
BAD_BLOB = r"^tpm volume=rootA .*found=\"a secret of another TPM, or a damaged one\""


def tampered(found, volume=""):
    """The line of a refusal."""
    return rf"^tamper {volume}.*found={found}.* next="


def bad_header(found):
    """The line of a volume that is not opened."""
    return rf'^tamper volume=rootA dev=/dev/vda3 .*found="{found}" .*next="'


def bad_token(what):
    """The line of a token that is passed over."""
    return rf'^tamper volume=rootA dev=/dev/vda3 token=0 found="{what}" next='


CASES = [
    # What is on the disk.
    Case("plain rootA", plain("rootA"), tampered("plain", "volume=rootA partition=3")),
    Case("plain rootB", plain("rootB"), tampered("plain", "volume=rootB")),
    Case("plain boot", plain("boot"), tampered("plain", "volume=boot")),
    Case("plain state", plain("state"), tampered("plain", "volume=state")),
    Case("plain data", plain("data"), tampered("plain", "volume=data")),
    Case("two rootA", add("tug-rootA"), tampered("twice", "volume=rootA")),
    Case("two data", add("tug-data", True), tampered("twice", "volume=data")),
    Case("two efi", add("tug-efi"), tampered("twice", "volume=efi")),
    Case("rootB is called rootA", rename("rootB", "tug-rootA"), tampered("twice", "volume=rootA")),
    Case("another prefix's rootA", add("resin-rootA", True), tampered("twice", "volume=rootA")),
    Case("an extra partition", add("extra"), tampered("extra")),
    Case("an extra volume", add("extra", True), tampered("extra")),
    Case("an extra partition without a name", add(""), tampered("extra")),
    Case("a recovery that the policy does not know", add("tug-recovery"),
         tampered("extra", "volume=recovery")),
    Case("no data", delete("data"), tampered("missing", "volume=data")),
    Case("no boot", delete("boot"), tampered("missing", "volume=boot")),
    Case("data under another name", rename("data", "other"),
         tampered("extra", "volume=none partition=6")),
    Case("efi is encrypted", encrypt_efi, tampered("encrypted", "volume=efi")),
    Case("data cloned to state", clone("data", "state"), tampered("cloned", "volume=data")),
    Case("rootA cloned to rootB", clone("rootA", "rootB"), tampered("cloned", "volume=rootB")),
    Case("roots swapped", swap("rootA", "rootB"),
         bad_header("a filesystem labelled tug-rootB")),
    # Headers.
    Case("LUKS1", other_type(type="luks1"), bad_header("not LUKS2")),
    Case("damaged header", damaged, bad_header("damaged header")),
    Case("unknown token",
         header(lambda data: data["tokens"].update({"7": {"type": "clevis", "keyslots": []}})),
         bad_header("an unknown token")),
    Case("slot without a token", header(no_token), bad_header("a weak key slot")),
    Case("weak Argon2", header(argon2_with_little_memory),
         bad_header("a weak key slot")),
    Case("slot for a passphrase", nothing, bad_header("a weak key slot"),
         form="unsealed"),
    Case("no key slot", header(no_slot), bad_header("(no key slot|a short volume key)")),
    Case("key material in the clear",
         header(lambda data: [slot["area"].update(encryption="cipher_null-ecb")
                              for slot in data["keyslots"].values()]),
         bad_header("a key slot with a weak cipher")),
    Case("null cipher", segment(encryption="cipher_null-ecb"),
         bad_header("a weak cipher")),
    Case("ECB", segment(encryption="aes-ecb"), bad_header("a weak cipher")),
    Case("CBC with plain numbers", segment(encryption="aes-cbc-plain64"),
         bad_header("a weak cipher")),
    Case("a reencryption", requirement("online-reencrypt-v2"),
         bad_header("an unfinished reencryption")),
    Case("an unknown requirement", requirement("tomorrow"), bad_header("damaged header")),
    Case("two segments", header(two_segments),
         bad_header("(more than one segment|damaged header)")),
    # Tokens.
    Case("token: fewer PCRs", token_field(**{"tpm2-pcrs": [0]}), REFUSED_BY_PCR),
    Case("token: no PCRs", token_field(**{"tpm2-pcrs": []}), BAD_BLOB),
    Case("token: other bank", token_field(**{"tpm2-pcr-bank": "sha1"}), REFUSED_BY_PCR),
    Case("token: unknown bank", token_field(**{"tpm2-pcr-bank": "md5"}),
         bad_token("tpm2-pcr-bank")),
    Case("token: other policy hash", token_field(**{"tpm2-policy-hash": "00" * 32}),
         bad_token("tpm2-policy-hash is not the blob's")),
    Case("token: short policy hash", token_field(**{"tpm2-policy-hash": "00"}),
         bad_token("tpm2-policy-hash")),
    Case("token: says RSA", token_field(**{"tpm2-primary-alg": "rsa"}), BAD_BLOB),
    Case("token: says DSA", token_field(**{"tpm2-primary-alg": "dsa"}),
         bad_token("tpm2-primary-alg")),
    Case("token: wants a PIN", token_field(**{"tpm2-pin": True}), r"^unlock by=tpm2 left="),
    Case("token: a bit of the sealed part", token_bytes("tpm2-blob", 40), BAD_BLOB),
    Case("token: a bit of the integrity value", token_bytes("tpm2-blob", 6), BAD_BLOB),
    Case("token: a bit of the public part's attributes", token_bytes("tpm2-blob", 168),
         bad_token("attributes allow more than a policy does")),
    Case("token: a bit of the public part's policy", token_bytes("tpm2-blob", 176),
         bad_token("tpm2-policy-hash is not the blob's")),
    Case("token: cut blob", token_bytes("tpm2-blob", 0, 0, 100), bad_token("no private area")),
    Case("token: not base64", token_field(**{"tpm2-blob": "!"}), bad_token("tpm2-blob")),
    Case("token: no blob", token_field(**{"tpm2-blob": None}), bad_token("tpm2-blob")),
    Case("token: another volume's", other_volumes_token,
         r'^unlock volume=rootA .*found="a key slot that the secret does not open"'),
    # Tugboot's own token: the volume's key is in it, wrapped together with what the header says.
    Case("volume key: a bit of it", token_bytes("volume-key", 20), NOT_ENROLLED, form="tugboot"),
    Case("volume key: a bit of its nonce", token_bytes("volume-key", 0), NOT_ENROLLED,
         form="tugboot"),
    Case("volume key: a bit of its tag", token_bytes("volume-key", -1), NOT_ENROLLED,
         form="tugboot"),
    Case("volume key: cut", token_bytes("volume-key", 0, 0, 40), NOT_ENROLLED, form="tugboot"),
    Case("volume key: too long", token_field(**{"volume-key": "AAAA" * 100}),
         bad_token("volume-key"), form="tugboot"),
    Case("another UUID", new_uuid, NOT_ENROLLED, form="tugboot"),
    Case("another offset", segment(offset=str(luks.HEADER + MB)), NOT_ENROLLED, form="tugboot"),
    Case("another sector size", segment(sector_size=512), NOT_ENROLLED, form="tugboot"),
    Case("another cipher", segment(encryption="aes-xts-plain"), bad_header("a weak cipher"),
         form="tugboot"),
    Case("another volume's token", other_volumes_token, NOT_ENROLLED, form="tugboot"),
    Case("roots swapped, Tugboot's token", swap("rootA", "rootB"), NOT_ENROLLED, form="tugboot"),
    Case("rootB cloned to rootA with a UUID of its own", clone("rootB", "rootA", True),
         NOT_ENROLLED, form="tugboot"),
    Case("policy: fewer PCRs", policies(pcrs=[0]),
         REFUSED_BY_PCR.replace("rootA", "boot"), form="tugboot"),
    Case("policy: PCRs out of range", policies(pcrs=[0, 24]), bad_token("tpm2-policies"),
         form="tugboot"),
    Case("policy: none", token_field(**{"tpm2-policies": []}), bad_token("tpm2-policies"),
         form="tugboot"),
    Case("policy: nine branches", header(nine_branches), bad_token("tpm2-policies"),
         form="tugboot"),
    Case("policy: other bank", token_field(**{"tpm2-pcr-bank": "sha1"}),
         bad_token("tpm2-policies"), form="tugboot"),
    # The TPM.
    Case("no TPM", nothing, r'^tpm found=none expected="a TPM 2.0"', tpm=False),
    Case("another TPM", other_tpm, BAD_BLOB),
    Case("a cleared TPM", cleared_tpm, BAD_BLOB),
    *(Case(f"the TPM fails in {command}", failing(command),
           rf'^tpm volume=rootA .*found="a TPM error" error=".*{command}"')
      for command in ("CreatePrimary", "Load", "StartAuthSession", "PolicyPCR", "Unseal")),
    # What is measured.
    Case("no event log", nothing, tampered('"no event log"'), form="silent"),
    Case("more memory", nothing, REFUSED_BY_PCR, form="PCR 1", memory=600),
    Case("an option ROM more", nothing, REFUSED_BY_PCR,
         hardware=("-device", "virtio-net-pci")),
    Case("systemd's token: another PCR 7", nothing, REFUSED_BY_PCR, form="changed 7"),
    *(Case(f"another PCR {pcr}", nothing,
           rf"^pcr volume=boot pcr={pcr} bank=sha256 found=[0-9a-f]+ expected=[0-9a-f]+",
           form=f"tugboot changed {pcr}")
      for pcr in range(8)),
    Case("DMA protection disabled", nothing,
         tampered('"DMA protection disabled, an event in PCR 7"'), form="DMA UEFI"),
    Case("the firmware measures one thing more", nothing, REFUSED_BY_PCR, form="UEFI",
         first=(7, EFI_ACTION, "something else")),
    Case("the firmware measures one thing more, which the log names", nothing,
         r'^pcr pcr=7 event=\d+ type=EV_EFI_ACTION found="an event that was not there"',
         form="tugboot UEFI", first=(7, EFI_ACTION, "something else")),
    # Signatures.
    Case("no signature", lambda device: device.disk.delete("efi", SIGNATURES),
         NO_SIGNATURE, form="signed"),
    Case("a signature by another key", signatures(by_another_key),
         r'^tpm volume=rootA .*error="TPM_RC_SIGNATURE', form="signed"),
    Case("a signature of other values", signatures(of_other_values),
         NO_SIGNATURE, form="signed"),
    Case("signatures for another key only", signatures(for_another_key),
         NO_SIGNATURE, form="signed"),
    Case("signatures that are none", signatures(lambda device: "{]"), r"^tpm volume=rootA ",
         form="signed"),
    # The signed command line.
    Case("an unknown volume in the policy", nothing, r"^policy key=tugboot.encrypted found=",
         append="tugboot.encrypted=boot,rootC"),
    Case("an empty list in the policy", nothing, r"^policy key=tugboot.encrypted found=",
         append="tugboot.encrypted="),
    Case("an unknown method", nothing, r"^policy key=tugboot.unlock found=",
         append="tugboot.unlock=tpm2,luck"),
]


def make(boot, form):
    """A device with that enrolment on every volume: `tugboot` for those of Tugboot's own form."""
    words = form.split()
    device = Device(
        boot, {"rootA": root(os_role=True, files=OS_ROLE), "rootB": part(size=24)}, by="name",
        hardware=SILENT_FIRMWARE if "silent" in words else (),
        firmware=POLICY if "UEFI" in words else "",
        first=images.measuring_app(*NO_DMA_PROTECTION) if "DMA" in words else None,
    )
    change, pcrs = (), PCRS
    if "changed" in words:
        change, pcrs = (int(words[-1]),), range(8)
    elif words[0] == "PCR" and words[1:]:
        pcrs = (int(words[1]),)
    with device.enrolling(change) as tcti:
        if words[0] == "tugboot":
            given = ["--pcrs", ",".join(map(str, pcrs)), *(["--current"] if change else [])]
            device.tugboot("enroll", "add", "--tpm", tcti, *given, log=not change)
        for name in device.volumes:
            with device.disk.header(name) as volume:
                if words[0] == "signed":
                    luks.enrol_systemd(volume, tcti, (), "", sign(device), SIGNED_PCRS)
                elif words[0] != "tugboot":
                    luks.enrol_systemd(volume, tcti, pcrs)
                if words[0] != "unsealed":
                    luks.seal(volume)
    return device


def sign(device):
    """Gives the device a signing key, and the signature of what it measures; returns the public
    key."""
    if not hasattr(device, "public"):
        device.private, device.public = luks.make_key(device.disk.path.parent)
        made = luks.sign_policy(device.private, device.public, device.values(*SIGNED_PCRS))
        device.disk.write("efi", SIGNATURES, made)
    return device.public


@pytest.fixture(scope="module")
def devices(tmp_path_factory):
    """One device of each form, for the cases to copy."""
    made = {}

    def give(form, boot):
        if form not in made:
            made[form] = make(Boot(tmp_path_factory.mktemp("device")), form)
        return made[form].clone(boot)

    yield give
    for device in made.values():
        device.disk.path.unlink()


# Every other one is for the long series.
SAMPLED = [pytest.param(case, id=case.name, marks=[pytest.mark.long] if number % 2 else [])
           for number, case in enumerate(CASES)]


@pytest.mark.parametrize("case", SAMPLED)
def test_refused(boot, devices, case):
    """One case."""
    device = devices(case.form, boot)
    case.change(device)
    if case.first:
        device.first = images.measuring_app(*case.first)
    guest = device.guest(boot, f"{POLICY} {case.append}", case.tpm, memory=case.memory)
    guest.add(*case.hardware)
    with guest:
        guest.expect("tugboot: back-off .*$|^PROBE end", 120)
        log = boot.result(guest)
    assert log.journey == []
    assert log.said(case.says), [line for _, _, line in log.log]
