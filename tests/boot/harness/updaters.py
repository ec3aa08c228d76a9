# SPDX-License-Identifier: LGPL-2.1-or-later
"""A device that is updated by Debian's own RAUC or SWUpdate: its disk, its system, its updates.

Both roots are written from one image, as an updater does it: no filesystem label and the same UUID
on both; the slots are told apart by the names in the partition table. The image holds what `make
install` installs. A `System` is that image, changed for one test; an update is another one.
"""

import shutil
from pathlib import Path

from .debian import FILES, KERNELS, PACKAGES, Recipe, cached_image
from .disk import Disk, Partition
from .images import Link
from .tools import ARCH, BUILD, TREE, HarnessError, copy_sparse, run

PREFIX = "/usr/local"
VERSION_FILE = "/etc/system-version"
COMPATIBLE = "tugboot-test"

# What the device is, beside Debian.
_FILES = {
    "/etc/fstab": """\
# Written from one image, neither root has a name of its own.
rootfs              /         ext4  defaults          0 0
PARTLABEL=tug-boot  /boot/efi vfat  umask=0077        0 0
PARTLABEL=tug-data  /mnt/data ext4  defaults          0 0
""",
    "/etc/rauc/system.conf": f"""\
[system]
compatible={COMPATIBLE}
bootloader=custom
statusfile=/mnt/data/rauc.status
bundle-formats=verity

[handlers]
bootloader-custom-backend={PREFIX}/lib/tugboot/tugboot-rauc

[keyring]
path=/etc/updates.cert.pem

[slot.rootfs.0]
device=/dev/disk/by-partlabel/tug-rootA
type=ext4
bootname=A

[slot.rootfs.1]
device=/dev/disk/by-partlabel/tug-rootB
type=ext4
bootname=B
""",
    "/etc/hwrevision": f"{COMPATIBLE} 1\n",
    # Where the boot environment is, for SWUpdate by way of libubootenv: partition tug-env.
    "/etc/fw_env.config": """\
/dev/disk/by-partlabel/tug-env  0x0      0x2000
/dev/disk/by-partlabel/tug-env  0x10000  0x2000
""",
    "/etc/initramfs-tools/conf.d/small": "MODULES=list\n",
    "/etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\n",
}

# Guests are slow, and the image is written by them: what no test here needs is left out.
_MASKED = "swupdate.service swupdate.socket swupdate-progress.service systemd-logind.service " \
    "getty@tty1.service getty-static.service"
_LEFT_OUT = "usr/lib/udev/hwdb.bin usr/lib/udev/hwdb.d usr/share/perl usr/share/zoneinfo " \
    "usr/lib/x86_64-linux-gnu/perl usr/lib/x86_64-linux-gnu/gconv var/cache/*"
_DRIVERS = "block char dax md rtc virtio watchdog"
_FILESYSTEMS = "autofs configfs efivarfs ext4 jbd2 mbcache.ko fat fuse nls squashfs pstore"


def _only(directory, names):
    """A hook that leaves only these in a directory of the kernel's modules."""
    kept = " ".join(f"! -name {name}" for name in names.split())
    where = f'"$1"/usr/lib/modules/*/kernel/{directory}'
    return f"find {where} -mindepth 1 -maxdepth 1 {kept} -exec rm -r {{}} +"


RECIPE = Recipe(
    name="updaters",
    packages=(*PACKAGES, KERNELS["B"], "dbus", "rauc", "rauc-service", "swupdate",
              "libubootenv-tool"),
    files={**FILES, **_FILES},
    size=288,
    slot="device",
    hooks=(
        f'chroot "$1" systemctl mask {_MASKED}',
        f'cd "$1" && rm -r {_LEFT_OUT}',
        _only("drivers", _DRIVERS),
        _only("fs", _FILESYSTEMS),
        'rm -r "$1"/usr/lib/modules/*/kernel/net',
        'chroot "$1" depmod "$(cd "$1/usr/lib/modules" && echo *)"',
        'chroot "$1" update-initramfs -u',
    ),
)


def installed(work):
    """What `make install` puts in a root, beside the image: {path: Path or Link}."""
    staging = Path(work) / "installed"
    run("make", "-s", "-C", TREE, "install-host", f"DESTDIR={staging}", f"PREFIX={PREFIX}",
        f"ARCH={ARCH}", f"B={BUILD}")
    files = {}
    for path in sorted(staging.rglob("*")):
        where = f"/{path.relative_to(staging)}"
        if path.is_symlink():
            files[where] = Link(path.readlink())
        elif path.is_file():
            files[where] = path
    return files


def put_files(image, files, work):
    """Changes a clean ext4 image: a path becomes a file (bytes, text or Path), a symbolic link
    (Link), or nothing (None)."""
    script, made = [], {Path("/")}
    for number, (path, content) in enumerate(files.items()):
        path = Path(path)
        for parent in reversed(path.parents):
            if parent not in made:
                made.add(parent)
                script.append(f"mkdir {parent}")
        script += [f"cd {path.parent}", f"rm {path.name}"]
        if isinstance(content, Link):
            script.append(f"symlink {path.name} {content}")
        elif content is not None:
            if not isinstance(content, Path):
                local = Path(work) / f"file{number}"
                local.write_bytes(content if isinstance(content, bytes) else content.encode())
                local.chmod(0o644)
                content = local
            script.append(f"write {content} {path.name}")
    # It complains of directories that are there, and its status says nothing.
    run("debugfs", "-w", "-f", "-", image, input="\n".join(script) + "\n")
    run("e2fsck", "-f", "-n", image)
    for path, content in files.items():
        kind = run("debugfs", "-R", f"stat {path}", image)
        if ("Type: symlink" in kind) != isinstance(content, Link) or \
                ("Type: regular" in kind) != isinstance(content, (str, bytes, Path)) and \
                not isinstance(content, Link):
            raise HarnessError(f"debugfs did not put {path} in {image}")


class Device:
    """A kind of device: its key, and systems that its updates are made from."""

    def __init__(self, work):
        self.work = Path(work) / "device"
        self.work.mkdir()
        self.key, self.certificate = self.work / "key.pem", self.work / "cert.pem"
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key,
            "-out", self.certificate, "-subj", "/CN=updates", "-days", "3650")
        self._systems = 0

    def system(self, version, files=None):
        """The image of a root: Debian, what belongs to the device, and further files."""
        self._systems += 1
        image = self.work / f"system{self._systems}.ext4"
        base = cached_image(RECIPE)
        with open(image, "wb") as made:
            made.truncate(base.stat().st_size)
        copy_sparse(base, image)
        put_files(image, {
            **installed(self.work), "/etc/updates.cert.pem": self.certificate,
            VERSION_FILE: f"{version}\n", **(files or {}),
        }, self.work)
        return image

    def disk(self, path, system, env=None, data=None):
        """Its disk: root A from this image, and files on the data partition. The environment is a
        GRUB block, or with env=None what a raw partition holds: nothing yet."""
        size = sum(content.stat().st_size for content in (data or {}).values()) >> 20
        disk = Disk(path, [
            Partition("boot", "vfat", size=8, gpt_name="tug-boot"),
            Partition("rootA", image=system, size=RECIPE.size, gpt_name="tug-rootA"),
            Partition("rootB", "raw", size=RECIPE.size, gpt_name="tug-rootB"),
            Partition("data", size=size + size // 8 + 16, gpt_name="tug-data", files=data or {}),
        ])
        if env is not None:
            disk.set_env(env)
        return disk

    def rauc_bundle(self, path, system, version):
        """A bundle for RAUC, signed, not compressed: guests are slow."""
        content = self.work / "bundle"
        content.mkdir()
        (content / "system.ext4").hardlink_to(system)
        (content / "manifest.raucm").write_text(
            f"[update]\ncompatible={COMPATIBLE}\nversion={version}\n\n[bundle]\nformat=verity\n\n"
            "[image.rootfs]\nfilename=system.ext4\n", encoding="ascii")
        run("rauc", "bundle", f"--cert={self.certificate}", f"--key={self.key}",
            "--mksquashfs-args=-noI -noD -noF -noX", content, path)
        shutil.rmtree(content)
        return path
