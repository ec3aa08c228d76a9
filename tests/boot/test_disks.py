# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the disk and the partitions on it are found."""

import pytest

from harness import APPEND, INHERITED_EFI, Partition, artifact, cmdline, images, part, root
from harness.disk import env_block


@pytest.mark.parametrize("kind", ["virtio", "nvme", "ahci", "usb", "sd", "virtio-scsi"])
def test_boots_from_a_disk_on(boot, kind):
    disk = boot.disk(
        env={"resin_root_part": "B", "upgrade_available": "1"}, rootA=root(), rootB=root()
    )
    run = boot(disk, kind=kind)
    assert run.journey == ["B trial 1/2"]
    assert run.starts[0].root == "disk1:rootB"
    # The count reached the medium.
    assert disk.env()["bootcount"] == "1"


@pytest.mark.parametrize("by", ["label", "name"])
@pytest.mark.parametrize("prefix", ["tug", "resin", "balena"])
def test_partitions_are_found_by(boot, by, prefix):
    disk = boot.disk(
        env={"resin_root_part": "B"}, prefix=prefix, by=by, rootA=root(), rootB=root()
    )
    run = boot(disk)
    assert run.journey == ["B normal 0/2"]
    assert run.starts[0].root == "disk1:rootB"


def test_label_counts_more_than_a_partition_name(boot):
    disk = boot.disk(
        env={"resin_root_part": "A"},
        decoy=root("none", gpt_name="tug-rootA"),
        rootA=root(label="tug-rootA"),
    )
    run = boot(disk)
    assert run.starts[0].root == "disk1:rootA"


def test_labels_in_upper_case_are_found(boot):
    disk = boot.disk(
        env={"resin_root_part": "A"},
        boot=Partition(name="boot", fs="vfat", size=4, label="RESIN-BOOT"),
        rootA=root(label="RESIN-ROOTA"),
    )
    assert boot(disk).journey == ["A normal 0/2"]


def test_partitions_are_found_on_an_mbr_disk(boot):
    disk = boot.disk(env={"resin_root_part": "B"}, table="mbr", rootA=root(), rootB=root())
    run = boot(disk)
    assert run.journey == ["B normal 0/2"]
    assert run.starts[0].root == "disk1:rootB"


def test_boot_partition_may_be_ext4(boot):
    environment = env_block({"resin_root_part": "B", "upgrade_available": "1"})
    disk = boot.disk(
        boot=Partition("boot", size=8, files={"/bootenv": environment}),
        rootA=root(),
        rootB=root(),
    )
    assert boot(disk).journey == ["B trial 1/2"]
    assert disk.env()["bootcount"] == "1"


@pytest.mark.parametrize("fs", ["ext4", "squashfs", "erofs"])
def test_root_may_be(boot, fs):
    disk = boot.disk(env={"resin_root_part": "B"}, rootA=root(), rootB=root(fs=fs))
    run = boot(disk)
    assert run.journey == ["B normal 0/2"]
    assert run.starts[0].root == "disk1:rootB"
    assert run.starts[0].cmdline == cmdline(disk, "B")


@pytest.mark.parametrize("kind", ["usb", "virtio-scsi"])
def test_disk_that_appears_three_seconds_late_is_waited_for(boot, kind):
    disk = boot.disk(env={"resin_root_part": "B"}, rootA=root(), rootB=root())
    guest = boot.guest()
    late = guest.attach(disk, kind, late=True)
    with guest:
        guest.expect("^tugboot: ")
        guest.pause(3)
        assert "PROBE" not in guest.console
        guest.plug(late)
        guest.wait_end(120, max_resets=0)
        run = boot.result(guest)
    assert run.journey == ["B normal 0/2"]


def test_reboots_when_no_disk_comes_within_the_deadline(boot):
    with boot.guest(append="tugboot.wait=2 tugboot.backoff=1") as guest:
        guest.wait_resets(2, timeout=120)


def test_disk_without_a_boot_partition_is_not_taken(boot):
    other = boot.disk(boot=part("vfat", label="DATA", size=4), rootA=root(), rootB=root())
    disk = boot.disk(env={"resin_root_part": "B"}, rootA=root(), rootB=root())
    run = boot(other, disk)
    assert run.starts[0].root == "disk2:rootB"


def test_disk_with_a_damaged_partition_table_is_not_taken(boot):
    damaged = boot.disk(rootA=root(), rootB=root())
    with open(damaged.path, "r+b") as image:
        image.write(b"\xff" * 34 * 512)
    disk = boot.disk(env={"resin_root_part": "B"}, rootA=root(), rootB=root())
    run = boot(damaged, disk)
    assert run.starts[0].root == "disk2:rootB"


def test_first_disk_is_taken_of_two_with_the_same_labels(boot):
    disks = [boot.disk(env={"resin_root_part": slot}, rootA=root(), rootB=root()) for slot in "BA"]
    run = boot(*disks)
    assert run.starts[0].root == "disk1:rootB"
    assert run.starts[0].cmdline == cmdline(disks[0], "B")


def test_second_root_a_on_one_disk_is_passed_over(boot):
    disk = boot.disk(
        env={"resin_root_part": "A"}, rootA=root(), copy=root("none", label="tug-rootA")
    )
    run = boot(disk)
    assert run.starts[0].root == "disk1:rootA"


def test_roots_that_were_written_from_one_image_are_told_apart(boot):
    same = "6a1f6f6e-7c0f-4a53-9a0e-0d3f6a2f9b11"
    disk = boot.disk(env={"resin_root_part": "B"}, rootA=root(uuid=same), rootB=root(uuid=same))
    run = boot(disk)
    assert run.starts[0].root == "disk1:rootB"
    assert run.starts[0].value("root") == f"PARTUUID={disk['rootB'].partuuid}"


def test_boots_in_256_mb_of_memory(boot):
    disk = boot.disk(env={"resin_root_part": "B"}, rootA=root(), rootB=root())
    assert boot(disk, memory=256).journey == ["B normal 0/2"]


# Started by real firmware.


def test_firmware_starts_the_one_file_and_it_starts_the_root(boot):
    disk = boot.disk(
        env={"resin_root_part": "B", "upgrade_available": "1"}, uefi=True, rootA=root(),
        rootB=root(),
    )
    run = boot(disk, firmware=True, memory=256)
    assert run.journey == ["B trial 1/2"]
    assert run.starts[0].root == "disk1:rootB"
    assert run.starts[0].cmdline == cmdline(disk, "B", "trial", "1/2", inherited=INHERITED_EFI)
    assert disk.env()["bootcount"] == "1"


@pytest.mark.parametrize("kind", ["nvme", "usb"])
def test_firmware_starts_it_from(boot, kind):
    disk = boot.disk(env={"resin_root_part": "B"}, uefi=True, rootA=root(), rootB=root())
    run = boot(disk, firmware=True, kind=kind)
    assert run.journey == ["B normal 0/2"]


def test_disk_that_the_firmware_started_from_is_taken_of_two_with_the_same_labels(boot):
    first = boot.disk(env={"resin_root_part": "B"}, uefi=True, rootA=root(), rootB=root())
    second = boot.disk(env={"resin_root_part": "A"}, uefi=True, rootA=root(), rootB=root())
    guest = boot.guest(firmware=True)
    guest.attach(first, boot=2)
    guest.attach(second, boot=1)
    with guest:
        guest.wait_end(240, max_resets=0)
        run = boot.result(guest)
    assert run.starts[0].root == "disk2:rootA"
    assert run.starts[0].cmdline == cmdline(second, "A", inherited=INHERITED_EFI)


def test_system_partition_of_the_firmware_may_be_another_than_the_boot_partition(boot):
    disk = boot.disk(
        boot=Partition("boot", size=8, files={"bootenv": env_block({"resin_root_part": "B"})}),
        esp=part("vfat", size=40, label="ESP", esp=True,
                 files={"EFI/BOOT/BOOTX64.EFI": artifact("tugboot.efi")}),
        rootA=root(),
        rootB=root(),
    )
    run = boot(disk, firmware=True)
    assert run.journey == ["B normal 0/2"]
    assert run.said("^disk name=vda by=firmware")


def test_kernel_and_initramfs_are_started_by_grub(boot):
    config = (
        "search --no-floppy --set=root --label TUG-BOOT\n"
        f"linux /vmlinuz {APPEND}\n"
        "initrd /initramfs.cpio.zst\n"
        "boot\n"
    )
    disk = boot.disk(
        env={"resin_root_part": "B"},
        boot=Partition(name="boot", fs="vfat", size=40, label="TUG-BOOT", files={
            "vmlinuz": artifact("vmlinuz"),
            "initramfs.cpio.zst": artifact("initramfs.cpio.zst"),
        }),
        uefi=images.grub_efi(config, boot.work / "grub.efi"),
        rootA=root(),
        rootB=root(),
    )
    run = boot(disk, firmware=True)
    assert run.journey == ["B normal 0/2"]
    assert run.starts[0].cmdline == cmdline(disk, "B")
