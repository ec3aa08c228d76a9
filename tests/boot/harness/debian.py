# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian roots: what a distribution really puts on a disk, as ext4 images.

Two roots of this machine's own Debian release, made by mmdebstrap: root A with `linux-image-amd64`,
root B with `linux-image-cloud-amd64`. Each has exactly the kernel files that its packages leave in
/boot, with an initrd by initramfs-tools; no boot loader is installed in them.

A Recipe says what is in a root; other modules have further ones (updaters.py). Slow (minutes), so
the images are kept in the cache, under a key of the package versions and of the recipe. What
belongs to the tree under test (the `tugboot` command) is put in when a disk is made from them; it
is no part of the key.
"""

import contextlib
import fcntl
import hashlib
import inspect
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .disk import Disk, Partition
from .tools import HarnessError, artifact, cache_dir, run

# Root -> its kernel package.
KERNELS = {"A": "linux-image-amd64", "B": "linux-image-cloud-amd64"}

# udev and systemd-sysv to be a system, kmod and initramfs-tools for the kernel, the libraries that
# the `tugboot` command links.
PACKAGES = ("systemd-sysv", "udev", "kmod", "initramfs-tools", "zstd", "libblkid1", "libjson-c5")

# Text for people, which nobody reads in a test.
EXCLUDED = (
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/lintian/*",
    "/usr/share/bash-completion/*",
)

# Jobs that would run in the middle of a demonstration.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
)

FILES = {
    # Root is logged in by itself on the serial port: this is a demonstration, with no network.
    "/etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf": """\
[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --keep-baud 115200,57600,38400,9600 %I $TERM
""",
    "/etc/fstab": """\
LABEL=tug-root{slot}  /           ext4  defaults                     0 1
LABEL=tug-boot   /boot/efi   vfat  umask=0077,nofail            0 0
LABEL=tug-state  /mnt/state  ext4  defaults,nofail              0 2
LABEL=tug-data   /mnt/data   ext4  defaults,nofail              0 2
""",
    "/etc/hostname": "root-{slot}\n",
    "/etc/hosts": "127.0.0.1 localhost root-{slot}\n",
    "/etc/motd": "",
    # A console log that a test reads has no use for escape sequences round each prompt.
    "/etc/inputrc": "set enable-bracketed-paste off\n",
}

IMAGE_MB = 1280


@dataclass(frozen=True)
class Recipe:
    """A Debian root as an ext4 image."""

    name: str  # of the image in the cache
    packages: tuple  # beside what every Debian has
    files: dict  # path -> text; {slot} stands for `slot`
    size: int  # MiB
    label: str = ""  # of the filesystem
    slot: str = ""
    hooks: tuple = ()  # further hooks for mmdebstrap, run last


def _demo_recipe(slot):
    return Recipe(
        name=f"root{slot}", packages=(*PACKAGES, KERNELS[slot]), files=FILES, size=IMAGE_MB,
        label=f"tug-root{slot}", slot=slot,
    )


def _targets():
    """What apt fetches package lists from: (origin, address, suite, component) of each."""
    form = "$(CREATED_BY)|$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
    for line in run("apt-get", "indextargets", "--format", form).splitlines():
        created_by, *target = line.split("|")
        if created_by == "Packages":
            yield target


def _sources():
    """The release, and lines for apt: what this machine has configured and comes from Debian."""
    if os.geteuid() == 0 and not any(target[0] == "Debian" for target in _targets()):
        run("apt-get", "update")
    lines, release = [], None
    for origin, uri, suite, component in _targets():
        if origin != "Debian":
            continue
        line = f"deb {uri} {suite} {component}"
        if line not in lines:
            lines.append(line)
        # The release itself, not its -security or -updates companion.
        if "-" not in suite:
            release = suite
    if not release:
        raise HarnessError(
            "apt has no package lists of a Debian release: the Debian roots are made from this "
            "machine's own; run `apt-get update` on Debian"
        )
    return release, lines


def _versions(packages):
    """The versions that apt would install now."""
    versions = {}
    name = None
    for line in run("apt-cache", "policy", *packages).splitlines():
        if line and not line.startswith(" "):
            name = line.rstrip(":")
        elif line.startswith("  Candidate:"):
            versions[name] = line.split()[1]
    missing = [p for p in packages if versions.get(p, "(none)") == "(none)"]
    if missing:
        raise HarnessError(f"apt knows no package {', '.join(missing)}; run `apt-get update`")
    return versions


def _as_root(*command):
    """The command, with the right to own files as any user: in a user namespace when not root."""
    if os.geteuid() == 0:
        return list(command)
    return ["unshare", "--user", "--map-root-user", "--map-auto", "--", *command]


@contextlib.contextmanager
def _lock(path):
    """Two test workers may want the same image at the same time: one of them makes it."""
    with open(path, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _mmdebstrap(recipe, release, sources, tar, work):
    hooks = []
    for number, (path, text) in enumerate(recipe.files.items()):
        local = work / f"file{number}"
        local.write_text(text.replace("{slot}", recipe.slot), encoding="ascii")
        parent = str(Path(path).parent)
        hooks.append(f'mkdir -p "$1{parent}"')
        hooks.append(f"upload {local} {path}")
    hooks.append('mkdir -p "$1/boot/efi" "$1/mnt/state" "$1/mnt/data"')
    hooks.append('chroot "$1" passwd --delete root')
    hooks.append(f'chroot "$1" systemctl mask {" ".join(MASKED)}')
    hooks += recipe.hooks
    command = ["mmdebstrap", "--mode=auto", "--variant=minbase", "--format=tar"]
    command += [f"--include={','.join(recipe.packages)}"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED]
    command += [f"--customize-hook={hook}" for hook in hooks]
    command += [release, str(tar), "-"]
    subprocess.run(command, input="\n".join(sources) + "\n", text=True, check=True)


def _make_image(recipe, release, sources, image):
    with tempfile.TemporaryDirectory(prefix="tugboot-debian-", dir=cache_dir()) as work:
        work = Path(work)
        # mmdebstrap may work in a user namespace whose users are others than this one.
        work.chmod(0o755)
        tar, tree, part = work / "root.tar", work / "tree", work / "part.ext4"
        try:
            _mmdebstrap(recipe, release, sources, tar, work)
        except subprocess.CalledProcessError as error:
            raise HarnessError(f"mmdebstrap failed for {recipe.name}; see its lines above") \
                from error
        tree.mkdir()
        # Device nodes are devtmpfs's affair; an ordinary user cannot make them.
        nodes = "--exclude=./dev/*"
        run(*_as_root("tar", "-C", str(tree), "--numeric-owner", nodes, "-xpf", str(tar)))
        tar.unlink()
        run(
            *_as_root(
                "mke2fs", "-q", "-t", "ext4", "-L", recipe.label, "-d", str(tree), str(part),
                f"{recipe.size}M",
            )
        )
        if os.geteuid() != 0:
            run(*_as_root("rm", "-rf", str(tree)))
        part.rename(image)


def cached_image(recipe):
    """Path of a recipe's image in the cache; made first when there is none."""
    release, sources = _sources()
    versions = _versions(recipe.packages)
    key = hashlib.sha256(repr((recipe, EXCLUDED, MASKED)).encode())
    key.update(inspect.getsource(_mmdebstrap).encode())
    key.update(inspect.getsource(_make_image).encode())
    for package in recipe.packages:
        key.update(f"{package}={versions[package]}\n".encode())
    where = cache_dir() / "debian"
    where.mkdir(parents=True, exist_ok=True)
    image = where / f"{recipe.name}-{key.hexdigest()[:16]}.ext4"
    with _lock(where / f"{recipe.name}.lock"):
        if not image.exists():
            kernel = next(p for p in recipe.packages if p.startswith("linux-image"))
            print(
                f"making Debian root {recipe.name}: {release}, {kernel} {versions[kernel]} "
                f"(some minutes; kept in {where})",
                file=sys.stderr,
                flush=True,
            )
            for old in where.glob(f"{recipe.name}-*.ext4"):
                old.unlink()
            _make_image(recipe, release, sources, image)
    return image


def debian_image(slot):
    """Path of the cached ext4 image of root 'A' or 'B' of the demonstration."""
    return cached_image(_demo_recipe(slot))


def debian_disk(path, make=True):
    """The disk of the demonstration and of the tests with real systems: both Debian roots, and the
    build's tugboot.efi and `tugboot` command, which are put in anew each time."""
    partitions = [
        Partition("boot", "vfat", size=64, label="tug-boot", esp=True),
        Partition("rootA", image=debian_image("A") if make else None, size=IMAGE_MB),
        Partition("rootB", image=debian_image("B") if make else None, size=IMAGE_MB),
        Partition("state", size=64, label="tug-state"),
        Partition("data", size=128, label="tug-data"),
    ]
    disk = Disk(path, partitions, make=make)
    if make:
        disk.set_env({"resin_root_part": "A"})
    disk.write("boot", "EFI/BOOT/BOOTX64.EFI", artifact("tugboot.efi"))
    for slot in KERNELS:
        _put_command(disk, f"root{slot}")
    return disk


def _put_command(disk, name):
    """Puts the build's `tugboot` command in a root that has another one, or none."""
    command = artifact("tugboot")
    image = f"{disk.path}?offset={disk[name].start}"
    found = re.search(r"^Filesystem UUID:\s+(\S+)", run("debugfs", "-R", "stats -h", image), re.M)
    disk[name].uuid = found.group(1)
    if disk.read(name, "/usr/bin/tugboot") == command.read_bytes():
        return
    # On a copy: a guest that was ended leaves a journal, which has to be played first, and e2fsck
    # can do that with a whole file only.
    with tempfile.TemporaryDirectory(dir=disk.path.parent) as work:
        copy = Path(work) / "root.ext4"
        disk.copy_out(name, copy)
        run("e2fsck", "-p", copy, good=(0, 1))  # 1: repaired
        run("debugfs", "-w", "-f", "-", copy,
            input=f"cd /usr/bin\nrm tugboot\nwrite {command} tugboot\n")
        disk.copy_in(name, copy)
    if disk.read(name, "/usr/bin/tugboot") != command.read_bytes():
        raise HarnessError(f"debugfs did not write /usr/bin/tugboot to {name}")


if __name__ == "__main__":
    # Makes both images now, so that no test has to wait for them.
    for kernel_slot in KERNELS:
        print(debian_image(kernel_slot))
