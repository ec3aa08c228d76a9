# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who enrolled a volume, by which method, and who opens it: a table, and each cell of it boots.

A cell enrols all volumes of a device with the real tool, on the device's own TPM with the PCRs of
its own firmware; then a guest of that device opens the root and starts what is in it. The matrix is
printed at the end.
"""

from dataclasses import dataclass

import pytest

from harness import bls_entry, luks, root
from harness.device import PCRS, VOLUMES, Device
from harness.tpm import without_ecc

PIN = "4711-abc"
SIGNED_PCRS = (4,)
SIGNATURE_FILE = "tpm2-pcr-signature.json"

ENROLLERS = ("systemd-cryptenroll", "tugboot", "balena form")
OPENERS = ("Tugboot", "systemd-cryptsetup")
METHODS = ("PCR", "OR", "signed", "PIN", "recovery", "RSA primary")

# What there is not: (enrolled by, method, opened by), None for any.
IMPOSSIBLE = {
    ("systemd-cryptenroll", "OR", None): "systemd-cryptenroll has one set of PCR values",
    ("tugboot", "OR", "systemd-cryptsetup"): "the token systemd-tpm2 has one set of PCR values",
    ("balena form", None, "systemd-cryptsetup"): "no token says that the TPM has it",
    ("balena form", "signed", None): "the form has no signatures",
    ("balena form", "PIN", None): "the form has no PIN",
    ("balena form", "recovery", None): "the form has no recovery key",
    ("balena form", "RSA primary", None): "the form has no key that it is sealed under",
}


def is_possible(*cell):
    """Is there such a cell?"""
    return not any(
        all(mine in (None, its) for mine, its in zip(rule, cell)) for rule in IMPOSSIBLE
    )


CELLS = [
    (enroller, method, opener)
    for enroller in ENROLLERS for opener in OPENERS for method in METHODS
    if is_possible(enroller, method, opener)
]


@dataclass
class Enrolment:
    """What somebody who opens it must have."""

    pin: str = ""
    recovery: str = ""
    signatures: str = ""


def on_every_volume(device, tcti, work):
    """Does it, and then takes the installer's own way in away."""
    for name in device.volumes:
        with device.disk.header(name) as volume:
            work(volume, tcti)
            luks.seal(volume)


def by_systemd(device, method):
    """systemd-cryptenroll, for each volume."""
    made = Enrolment()
    public = None
    if method == "signed":
        private, public = luks.make_key(device.disk.path.parent)
        made.signatures = luks.sign_policy(private, public, device.values(*SIGNED_PCRS))
    elif method == "PIN":
        made.pin = PIN
    elif method == "RSA primary":
        device.tpm.answer = without_ecc

    def enrol(volume, tcti):
        if method == "recovery":
            made.recovery = luks.enrol_recovery(volume)
        else:
            pcrs = () if method == "signed" else PCRS
            luks.enrol_systemd(volume, tcti, pcrs, made.pin, public, SIGNED_PCRS)
            (token,) = luks.tokens(volume, "systemd-tpm2").values()
            assert token["tpm2-primary-alg"] == ("rsa" if method == "RSA primary" else "ecc")

    with device.enrolling() as tcti:
        on_every_volume(device, tcti, enrol)
    device.tpm.answer = None
    return made


def by_balena(device, method):
    """The passphrase in the TPM, a slot of it in each volume."""
    passphrase = b"correct horse battery staple, 64 characters of them in real ones"
    branches = []
    if method == "OR":
        # As before an update: the policy that holds now, and one of firmware to come.
        branches.append(luks.policy_pcr({pcr: bytes(32) for pcr in PCRS}))
    with device.enrolling() as tcti:
        own = luks.write_balena(tcti, passphrase, PCRS, branches)
        on_every_volume(device, tcti, lambda volume, _: luks.enrol_balena(volume, passphrase))
    for number, policy in enumerate((own, *branches) if branches else ()):
        device.disk.write("efi", f"balena-luks/policies/policy{number}", policy)
    return Enrolment()


def by_tugboot(device, method):
    """`tugboot enroll` and `tugboot recovery-key`: once for all volumes, with a token for systemd
    where there is such a form."""
    made = Enrolment()
    work = device.disk.path.parent
    arguments = ["--pcrs", ",".join(map(str, PCRS))]
    if method == "signed":
        private, public = luks.make_key(work)
        made.signatures = luks.sign_policy(private, public, device.values(*SIGNED_PCRS))
        arguments = ["--pcrs", "none", "--public-key", public, "--public-key-pcrs",
                     ",".join(map(str, SIGNED_PCRS))]
    elif method == "PIN":
        made.pin = PIN
        (work / "pin").write_text(PIN, encoding="ascii")
        arguments += ["--pin-file", work / "pin"]
    elif method == "RSA primary":
        arguments += ["--primary", "rsa"]
    if method == "recovery":
        device.tugboot("recovery-key", "--to", work / "recovery", log=False)
        made.recovery = (work / "recovery").read_text(encoding="ascii").strip()
    elif method == "OR":
        # Firmware before an update, and the one that the device boots with after it.
        with device.enrolling(change=(7,)) as tcti:
            device.tugboot("enroll", "add", "--tpm", tcti, "--current", *arguments, log=False)
        with device.enrolling() as tcti:
            device.tugboot("reseal", "--tpm", tcti, "--keep-current")
    else:
        with device.enrolling() as tcti:
            device.tugboot("enroll", "add", "--tpm", tcti, "--systemd", *arguments)
    on_every_volume(device, None, lambda volume, _: None)
    return made


BY = {"systemd-cryptenroll": by_systemd, "tugboot": by_tugboot, "balena form": by_balena}


def open_with_tugboot(boot, device, made, method):
    """Boots the device; the root's init is to run."""
    ways = {"PIN": "pin", "recovery": "recovery"}
    append = f"tugboot.encrypted={','.join(device.volumes)}"
    append += f" tugboot.unlock={ways.get(method, 'tpm2')}"
    if made.signatures:
        device.disk.write("efi", SIGNATURE_FILE, made.signatures)
    with boot.guest(device.disk, tpm=device.tpm, append=append) as guest:
        if made.pin or made.recovery:
            guest.expect("^(PIN|Recovery key) for this device: ", 120)
            guest.send((made.pin or made.recovery) + "\r")
        guest.wait_end(180, max_resets=0)
        log = boot.result(guest)
    assert log.journey == ["A normal 0/2"]
    assert (log.starts[0].role, log.starts[0].root) == ("init", "disk1:rootA")
    mounted = next(m for m in log.starts[0].mounts if " / ext4 " in m)
    assert mounted.startswith(("/dev/dm-", "/dev/mapper/"))


def open_with_systemd(boot, device, made, method):
    """systemd-cryptsetup in a guest opens every volume; the root is to be in its."""
    commands = []
    for name in device.volumes:
        # efi is the first.
        number = device.disk[name].number
        options, key = "tpm2-device=auto,headless=1", "-"
        if method == "recovery":
            options, key = "headless=1", "/etc/recovery"
        if made.signatures:
            options += f",tpm2-signature=/etc/{SIGNATURE_FILE}"
        pin = f"PIN={made.pin} " if made.pin else ""
        commands.append(pin + luks.attach(f"/dev/vda{number}", options, key, name))
    initrd = boot.work / "systemd.cpio"
    initrd.write_bytes(luks.systemd_initrd(commands, {
        "/etc/recovery": made.recovery, f"/etc/{SIGNATURE_FILE}": made.signatures,
    }))
    log = boot(device.disk, tpm=device.tpm, role="", initrd=initrd, append="root=/dev/mapper/rootA")
    for number in range(1, len(commands) + 1):
        assert f"PROBE command={number} exit=0" in log.console
    assert log.starts[0].root == "disk1:rootA"


OPEN = {"Tugboot": open_with_tugboot, "systemd-cryptsetup": open_with_systemd}

OS_ROLE = {"/boot/loader/entries/probe.conf": bls_entry(initrd=False, more="tugboot-initrd yes\n")}


@pytest.mark.parametrize("enroller, method, opener", CELLS, ids=lambda text: text)
def test_matrix(boot, record_property, enroller, method, opener):
    """One cell."""
    record_property("matrix", ("unlock: enrolled by, opened by", f"{enroller}, {opener}", method))
    # systemd makes a recovery key for each volume: with one volume, there is one to type.
    one = method == "recovery" and enroller == "systemd-cryptenroll"
    volumes = ("rootA",) if one else VOLUMES
    device = Device(boot, {"rootA": root(os_role=True, files=OS_ROLE)}, volumes)
    made = BY[enroller](device, method)
    OPEN[opener](boot, device, made, method)


def check_clean_boots(boot, enroller, boots):
    """So many boots of an untouched device, by resets: none is refused, and the TPM counts no
    failure."""
    device = Device(boot, {"rootA": root(os_role=True, files=OS_ROLE, probe="reboot")})
    BY[enroller](device, "PCR")
    with device.guest(boot, "tugboot.encrypted=all") as guest:
        guest.wait_resets(boots, 120 * boots)
        log = boot.result(guest)
    assert log.journey == ["A normal 0/2"] * boots
    assert [line for event, _, line in log.log if event in ("tamper", "tpm", "pcr")] == []
    with device.tpm.powered():
        assert device.tpm.lockout_counter() == 0


@pytest.mark.parametrize("enroller, boots", [
    ("systemd-cryptenroll", 10), ("balena form", 10), ("tugboot", 30),
])
def test_untouched_devices_are_never_refused(boot, enroller, boots):
    """A sample; each cell of the matrix is such a boot, too."""
    check_clean_boots(boot, enroller, boots)


@pytest.mark.long
@pytest.mark.parametrize("part_of_it", range(10))
def test_untouched_devices_are_never_refused_in_a_thousand_boots(boot, part_of_it):
    check_clean_boots(boot, ENROLLERS[part_of_it % 3], 100)
