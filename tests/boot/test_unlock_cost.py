# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a boot of five encrypted volumes asks of the TPM and of a processor: one unseal and one key
derivation, over both kernels. Nothing of it is taken from Tugboot's own count:

- unseals are the commands that the TPM got (harness/tpm.py);
- key derivations are runs of libcrypto's EVP_KDF_derive(), by which HKDF goes, and libcryptsetup's
  PBKDF2 of key slots and volume key digests, and of libargon2's argon2_ctx(): known by their
  instructions, in any process of either kernel, from outside of the guest (tests/boot/count.c);
- mappings are calls of the kernel's crypt_ctr(), and the jump is machine_kexec().

That these counts see what they are there to see is shown with the forms that cost more.
"""

import pytest

from harness import bls_entry, images, luks, root
from harness.counter import Counter
from harness.device import PCRS, VOLUMES, Device
from harness.tools import run

DERIVE, ARGON2 = "EVP_KDF_derive", "argon2_ctx"
MAPPED, JUMP = "crypt_ctr", "machine_kexec"
OS_ROLE = {"/boot/loader/entries/probe.conf": bls_entry(initrd=False, more="tugboot-initrd yes\n")}
KEY = "a key in the image, for development"


def make_device(boot, volumes):
    """A root that the OS role brings up."""
    return Device(boot, {"rootA": root(os_role=True, files=OS_ROLE)}, volumes)


def seal(device):
    """Takes the installer's own way in away."""
    for name in device.volumes:
        with device.disk.header(name) as volume:
            luks.seal(volume)


def by_tugboot(device):
    """One secret for all."""
    with device.enrolling() as tcti:
        device.tugboot("enroll", "add", "--tpm", tcti, "--pcrs", ",".join(map(str, PCRS)))


def by_systemd(device):
    """A secret and a key slot for each."""
    with device.enrolling() as tcti:
        for name in device.volumes:
            with device.disk.header(name) as volume:
                luks.enrol_systemd(volume, tcti, PCRS)


def boot_counted(boot, device, policy="tugboot.encrypted=all", initrd=None):
    """Starts the root: what was executed, in order, and the commands that the TPM got."""
    counter = Counter(boot.work, (MAPPED, JUMP), (
        ("libcrypto.so.3", DERIVE), ("libargon2.so.1", ARGON2),
    ))
    device.tpm.commands.clear()
    guest = device.guest(boot, f"nokaslr {policy}", initrd=initrd)
    counter.add_to(guest)
    with guest:
        guest.wait_end(300, max_resets=0)
        log = boot.result(guest)
    assert log.journey == ["A normal 0/2"]
    assert (log.starts[0].role, log.starts[0].root) == ("init", "disk1:rootA")
    return [name for name, _ in counter.read()], list(device.tpm.commands)


def test_five_volumes_cost_one_unseal_and_one_derivation(boot, record_property):
    """Over both kernels."""
    device = make_device(boot, VOLUMES)
    by_tugboot(device)
    seal(device)
    executed, asked = boot_counted(boot, device)
    assert executed == [DERIVE, MAPPED, JUMP, *[MAPPED] * len(VOLUMES)]
    assert [asked.count(name) for name in ("CreatePrimary", "Unseal", "NV_Read")] == [1, 1, 0]
    record_property("shown", f"{len(VOLUMES)} volumes: {asked.count('Unseal')} unseal, "
                             f"{executed.count(DERIVE)} key derivation")


def test_a_secret_for_each_volume_is_counted_for_each(boot, record_property):
    """systemd's form: an unseal and a PBKDF2 of a slot for each; libcryptsetup adds one of the
    volume key's digest. Still none of it is done twice, nor by the OS role."""
    device = make_device(boot, VOLUMES)
    by_systemd(device)
    seal(device)
    executed, asked = boot_counted(boot, device)
    slots = executed.count(DERIVE)
    assert executed == [*[DERIVE] * slots, MAPPED, JUMP, *[MAPPED] * len(VOLUMES)]
    assert slots == 2 * len(VOLUMES)
    assert asked.count("Unseal") == len(VOLUMES)
    record_property("shown", f"{len(VOLUMES)} volumes by systemd-cryptenroll: "
                             f"{asked.count('Unseal')} unseals, {slots} key derivations")


@pytest.mark.parametrize("pbkdf", ["argon2id", "pbkdf2"])
def test_a_key_slot_is_counted(boot, pbkdf):
    """A key file: the slot's derivation, by either function, and the digest's."""
    device = make_device(boot, ("rootA",))
    cost = {"argon2id": ["--pbkdf-memory", "1024", "--pbkdf-parallel", "1",
                         "--pbkdf-force-iterations", "4"],
            "pbkdf2": ["--pbkdf-force-iterations", "1000"]}[pbkdf]
    key = boot.work / "key"
    key.write_text(KEY, encoding="ascii")
    with device.disk.header("rootA") as volume:
        run("cryptsetup", "luksAddKey", volume, key, "--batch-mode", "--key-file=-", "--pbkdf",
            pbkdf, *cost, input=luks.PASSPHRASE)
    seal(device)
    initrd = boot.work / "initrd"
    initrd.write_bytes(images.initramfs_with({"/tugboot.key": key}))
    # Without tugboot.encrypted=, which would refuse a slot of so little strength.
    executed, asked = boot_counted(boot, device, "tugboot.unlock=keyfile", initrd)
    slot = ARGON2 if pbkdf == "argon2id" else DERIVE
    assert executed == [slot, DERIVE, MAPPED, JUMP, MAPPED]
    assert "Unseal" not in asked
