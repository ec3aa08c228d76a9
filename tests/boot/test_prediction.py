# SPDX-License-Identifier: LGPL-2.1-or-later
"""`tugboot reseal --efi` against a real firmware: from the event log of a boot with one EFI file, it
seals for the PCRs of a boot with another one, which is booted to see."""

import json
import subprocess

from harness import INHERITED, images
from harness.tools import artifact, run
from harness.tpm import Measured, Tpm

PASSPHRASE = "correct horse"
PCRS = (0, 2, 4, 7)


def boot_with(boot, work, cmdline):
    """The file, and what a boot with it measures."""
    append = f"{INHERITED} probe=tpm {cmdline}"
    uki = images.uki(artifact("vmlinuz"), images.probe_initrd(), append)
    work.mkdir()
    with boot.guest(boot.disk(uefi=uki), firmware=True, tpm=Tpm(work)) as guest:
        guest.wait_end(120)
    measured = Measured.read(guest.console)
    assert measured.log, guest.console[-2000:]
    return uki, measured


def make_volume(path):
    with open(path, "wb") as image:
        image.truncate(2 << 20)
    subprocess.run(["cryptsetup", "luksFormat", "-q", "--type", "luks2", "--label", "tug-rootA",
                    "--luks2-keyslots-size", "1536k", "--pbkdf", "pbkdf2",
                    "--pbkdf-force-iterations", "1001", "--key-file", "-", path],
                   input=PASSPHRASE.encode(), check=True, capture_output=True)


def test_the_pcrs_of_a_boot_with_another_efi_file_are_predicted(boot, tmp_path):
    (old, first), (new, second) = (boot_with(boot, tmp_path / name, name) for name in ("one", "two"))
    assert old != new and first.pcrs["sha256", 4] != second.pcrs["sha256", 4]
    volume, key, log = (tmp_path / name for name in ("volume", "key", "log"))
    make_volume(volume)
    key.write_text(PASSPHRASE)
    log.write_bytes(first.log)
    (tmp_path / "host").mkdir()
    tugboot = artifact("tugboot")
    tpm = Tpm(tmp_path / "host")
    with tpm.powered() as tcti:
        tpm.replay(first)
        options = ["--tpm", tcti, "--key-file", key, "--event-log", log]
        run(tugboot, "enroll", "add", *options, "--pcrs", ",".join(map(str, PCRS)), volume)
        run(tugboot, "reseal", *options, "--efi", new, volume)
    token = json.loads(run("cryptsetup", "token", "export", "--token-id", "1", volume))
    branches = {branch["name"]: branch for branch in token["tpm2-policies"]}
    for name, measured in (("this boot", first), ("next boot", second)):
        assert branches[name]["values"] == {
            str(pcr): measured.pcrs["sha256", pcr].hex() for pcr in PCRS}
