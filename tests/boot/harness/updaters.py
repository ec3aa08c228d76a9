# SPDX-License-Identifier: LGPL-2.1-or-later
"""A device that is updated by Debian's own RAUC or SWUpdate: its disk, its system, its updates.

Both roots are written from one image, as an updater does it: no filesystem label and the same UUID
on both; the slots are told apart by the names in the partition table. The image holds what `make
install` installs. A `System` is that image, changed for one test; an update is another one.
"""

import hashlib
import re
import shutil
from pathlib import Path

from .debian import FILES, KERNELS, PACKAGES, Recipe, cached_image
from .disk import Disk, Partition
from .images import Link
from .tools import ARCH, BUILD, TREE, HarnessError, copy_sparse, run

PREFIX = "/usr/local"
VERSION_FILE = "/etc/system-version"
COMPATIBLE = "tugboot-test"


def _fw_env_config(device, start=0):
    """Where libubootenv, and so SWUpdate, finds the boot environment on a partition without a
    filesystem: the copies of tug-env, as Tugboot has them."""
    return f"{device} {start:#x} 0x2000\n{device} {start + 0x10000:#x} 0x2000\n"


# Written from one image, neither root has a name of its own.
FSTAB = """\
rootfs              /         ext4  defaults    0 0
PARTLABEL=tug-boot  /boot/efi vfat  umask=0077  0 0
PARTLABEL=tug-data  /mnt/data ext4  defaults    0 0
"""

# What the device is, beside Debian.
_FILES = {
    "/etc/fstab": FSTAB,
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
    "/etc/fw_env.config": _fw_env_config("/dev/disk/by-partlabel/tug-env"),
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


def only(directory, names):
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
        only("drivers", _DRIVERS),
        only("fs", _FILESYSTEMS),
        'rm -r "$1"/usr/lib/modules/*/kernel/net',
        'chroot "$1" depmod "$(cd "$1/usr/lib/modules" && echo *)"',
        'chroot "$1" update-initramfs -u',
    ),
)


def installed(work, prefix=PREFIX):
    """What `make install` puts in a root, beside the image: {path: Path or Link}."""
    staging = Path(work) / "installed"
    run("make", "-s", "-C", TREE, "install-host", f"DESTDIR={staging}", f"PREFIX={prefix}",
        f"ARCH={ARCH}", f"B={BUILD}")
    files = {}
    for path in sorted(staging.rglob("*")):
        where = f"/{path.relative_to(staging)}"
        if path.is_symlink():
            files[where] = Link(path.readlink())
        elif path.is_file():
            files[where] = path
    return files


def _type(image, path):
    """`regular`, `directory`, `symlink`, …; empty when there is nothing of that name."""
    found = re.search(r"Type: (\w+)", run("debugfs", "-R", f"stat {path}", image))
    return found.group(1) if found else ""


def put_files(image, files, work):
    """Changes a clean ext4 image: a path becomes a file (bytes, text or Path) or a symbolic link
    (Link)."""
    script, there = [], set()
    for number, (path, content) in enumerate(files.items()):
        path = Path(path)
        for parent in reversed(path.parents):
            if parent not in there and not _type(image, parent):
                script.append(f"mkdir {parent}")
            there.add(parent)
        script += [f"cd {path.parent}", f"rm {path.name}"]
        if isinstance(content, Link):
            script.append(f"symlink {path.name} {content}")
            continue
        if not isinstance(content, Path):
            local = Path(work) / f"file{number}"
            local.write_bytes(content if isinstance(content, bytes) else content.encode())
            local.chmod(0o644)
            content = local
        script.append(f"write {content} {path.name}")
    run("debugfs", "-w", "-f", "-", image, input="\n".join(script) + "\n")
    # The status of debugfs says nothing.
    run("e2fsck", "-f", "-n", image)
    for path, content in files.items():
        if _type(image, path) != ("symlink" if isinstance(content, Link) else "regular"):
            raise HarnessError(f"debugfs did not put {path} in {image}")


def command_only(files):
    """Of what is installed, what Debian's package tugboot has: the command, and not the agents."""
    return {path: content for path, content in files.items()
            if not path.endswith("/tugboot-agent")
            and ("/systemd/" not in path or re.search(r"/tugboot-(good|ended)\.service$", path))}


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
            **command_only(installed(self.work)), "/etc/updates.cert.pem": self.certificate,
            VERSION_FILE: f"{version}\n", **(files or {}),
        }, self.work)
        return image

    def disk(self, path, system, env, data, file="bootenv", raw=False):
        """Its disk: root A from this image, files on the data partition, and the environment: a
        GRUB block in that file, or with raw=True a partition of its own with one of U-Boot's."""
        size = sum(content.stat().st_size for content in data.values()) >> 20
        partitions = [
            Partition("boot", "vfat", size=8, gpt_name="tug-boot"),
            Partition("rootA", image=system, size=RECIPE.size, gpt_name="tug-rootA"),
            Partition("rootB", "raw", size=RECIPE.size, gpt_name="tug-rootB"),
            Partition("data", size=size + size // 8 + 16, gpt_name="tug-data", files=data),
        ]
        if raw:
            partitions.append(Partition("env", "raw", size=1, gpt_name="tug-env"))
        disk = Disk(path, partitions)
        if raw:
            self._fw("setenv", disk, *self._first(env))
        else:
            disk.set_env(env, file)
        return disk

    # U-Boot's environment, by the tools that come with libubootenv.

    def _first(self, env):
        defaults = self.work / "initial-env"
        defaults.write_text("".join(f"{name}={value}\n" for name, value in env.items()),
                            encoding="ascii")
        # With nothing there, it needs defaults, and writes them with the first change.
        return "-f", defaults, *next(iter(env.items()))

    def _fw(self, verb, disk, *arguments):
        config = self.work / "fw_env.config"
        config.write_text(_fw_env_config(disk.path, disk["env"].start), encoding="ascii")
        return run(f"fw_{verb}", "-c", config, *arguments)

    def env(self, disk):
        """The variables on its disk."""
        if "env" not in disk:
            return disk.env()
        lines = self._fw("printenv", disk).splitlines()
        return dict(line.split("=", 1) for line in lines)

    # Updates.

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

    def swupdate_image(self, path, system, slot, version):
        """An update for SWUpdate, signed: the image to that slot, which is put on trial by what
        boards with U-Boot set for it."""
        content = self.work / "swu"
        content.mkdir()
        (content / "system.ext4").hardlink_to(system)
        with open(system, "rb") as image:
            digest = hashlib.file_digest(image, "sha256").hexdigest()
        (content / "sw-description").write_text(f"""\
software = {{
  version = "{version}";
  hardware-compatibility: [ "1" ];
  images: ({{
    filename = "system.ext4";
    type = "raw";
    device = "/dev/disk/by-partlabel/tug-root{slot}";
    sha256 = "{digest}";
    installed-directly = true;
  }});
  bootenv: (
    {{ name = "resin_root_part"; value = "{slot}"; }},
    {{ name = "upgrade_available"; value = "1"; }},
    {{ name = "bootcount"; value = "0"; }}
  );
}}
""", encoding="ascii")
        run("openssl", "cms", "-sign", "-in", content / "sw-description", "-binary", "-nosmimecap",
            "-signer", self.certificate, "-inkey", self.key, "-outform", "DER",
            "-out", content / "sw-description.sig")
        run("cpio", "--quiet", "-o", "-H", "crc", "-D", content, "-O", path,
            input="sw-description\nsw-description.sig\nsystem.ext4\n")
        shutil.rmtree(content)
        return path
