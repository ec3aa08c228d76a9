# SPDX-License-Identifier: LGPL-2.1-or-later
"""A device with the agents: Debian with the daemons that they configure, on an A/B disk.

Both roots are written from one image, as by an updater; the boot partition, with config.json, is
mounted writable at /mnt/boot. The image holds what `make install-host PREFIX=/usr` installs, put in
when a disk is made, and nothing else is between it and Debian: what a test needs beside that, it
puts in itself (`files`).

    disk = agents_disk(boot.work, config={"hostname": "boat"})
    with agents_guest(boot, disk) as guest:
        login(guest)
        config(guest, {"hostname": "tug"})
        assert guest.shell("hostname") == "tug"

The guest has no network: what a test needs is made inside (veth, dummy, network namespaces;
mac80211_hwsim for Wi-Fi).
"""

import base64
import json
import time
from pathlib import Path

from .debian import FILES, KERNELS, PACKAGES, Recipe, cached_image
from .disk import Disk, Partition
from .guest import GuestError
from .images import Link
from .tools import copy_sparse
from .updaters import installed, only, put_files

PREFIX = "/usr"
BOOT, STATE, DATA = "/mnt/boot", "/mnt/state", "/mnt/data"
CONFIG = f"{BOOT}/config.json"
STATUS = "/run/tugboot/status"
MEMORY = 1024  # MB
MASKED = Link("/dev/null")

_DAEMONS = ("dbus", "libsystemd0", "libssl3", "libcurl4", "chrony", "network-manager",
            "dnsmasq-base", "avahi-daemon", "avahi-utils", "libnss-mdns", "openssh-server",
            "openssh-client", "ca-certificates", "openssl", "iw", "wireless-regdb", "iproute2",
            "iptables", "procps", "python3", "systemd-resolved", "libpam-systemd", "strace")

_FILES = {
    "/etc/fstab": f"""\
rootfs               /        ext4  defaults    0 0
PARTLABEL=tug-boot   {BOOT}   vfat  umask=0077  0 0
PARTLABEL=tug-state  {STATE}  ext4  defaults    0 0
PARTLABEL=tug-data   {DATA}   ext4  defaults    0 0
""",
    "/etc/initramfs-tools/conf.d/small": "MODULES=list\n",
    "/etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\n",
}

# Guests are slow: what no test here needs is not started, and not in the image.
_MASKED = "systemd-logind.service polkit.service getty@tty1.service getty-static.service " \
    "NetworkManager-wait-online.service NetworkManager-dispatcher.service ssh.service " \
    "systemd-resolved.service systemd-pstore.service systemd-binfmt.service " \
    "proc-sys-fs-binfmt_misc.automount dev-hugepages.mount sys-kernel-debug.mount " \
    "sys-kernel-tracing.mount modprobe@configfs.service modprobe@dm_mod.service " \
    "modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service modprobe@loop.service"
_LEFT_OUT = "usr/lib/udev/hwdb.bin usr/lib/udev/hwdb.d usr/share/perl " \
    "usr/lib/x86_64-linux-gnu/gconv var/cache/*"
_DRIVERS = "block char dax md net rtc virtio watchdog"
_NETWORK_DRIVERS = "dummy.ko macvlan.ko net_failover.ko tun.ko veth.ko virtio_net.ko " \
    "wireguard wireless"
_NETWORK = "802 8021q bridge core ipv4 ipv6 llc mac80211 netfilter packet rfkill sched tls unix " \
    "wireless xfrm"
_FILESYSTEMS = "autofs configfs ext4 fat fuse jbd2 mbcache.ko nls overlayfs pstore squashfs"

RECIPE = Recipe(
    name="agents",
    packages=(*PACKAGES, KERNELS["A"], *_DAEMONS),
    files={**FILES, **_FILES},
    size=512,
    slot="device",
    hooks=(
        f'mkdir "$1"{BOOT}',
        f'chroot "$1" systemctl mask {_MASKED}',
        f'cd "$1" && rm -r {_LEFT_OUT}',
        only("drivers", _DRIVERS),
        only("drivers/net", _NETWORK_DRIVERS),
        only("drivers/net/wireless", "mac80211_hwsim.ko"),
        only("net", _NETWORK),
        only("fs", _FILESYSTEMS),
        'cd "$1"/usr/lib/modules/*/kernel && rm -r sound virt arch/x86/kvm',
        'chroot "$1" depmod "$(cd "$1/usr/lib/modules" && echo *)"',
        'chroot "$1" update-initramfs -u',
        # A few authorities are as good as all, for whom the store is made for half a minute.
        'grep -v "^#" "$1"/etc/ca-certificates.conf | head -n 10 >"$1"/tmp/few && '
        'mv "$1"/tmp/few "$1"/etc/ca-certificates.conf',
        'chroot "$1" update-ca-certificates --fresh',
        # By these, each device would be the same one.
        'rm "$1"/etc/ssh/ssh_host_*',
        # Nothing to be brought up to date by the first boot.
        'touch "$1"/etc/.updated "$1"/var/.updated',
    ),
)

# Of one device, whatever its roots are: the journal is filed under it.
MACHINE_ID = "6f1d2a3b4c5d4e6f8a9b0c1d2e3f4a5b"
_DEVICE = {
    "/etc/machine-id": f"{MACHINE_ID}\n",
    "/etc/hostname": "debian\n",
    "/etc/resolv.conf": "nameserver 127.0.0.1\n",
    # The tests' own shell is no login that is ended with others, or replaced in development mode.
    "/etc/systemd/system/serial-getty@ttyS0.service.d/slice.conf":
        "[Unit]\nConditionPathExists=\n[Service]\nSlice=system.slice\n",
    "/etc/systemd/system/tugboot-console@ttyS0.service": MASKED,
}
# The device's name server is Tugboot's.
_ENABLED = {
    "/etc/systemd/system/multi-user.target.wants/tugboot-dns.service":
        Link("/usr/lib/systemd/system/tugboot-dns.service"),
}


def agents_image(work, files=None, plain=False):
    """The image of a root, with what is built put in (unless `plain`), and further files: {path:
    text, bytes, Path, Link}. The caller's to keep; the same one may be given to several disks."""
    work = Path(work)
    number = len(list(work.glob("agents*.ext4"))) + 1
    image = work / f"agents{number}.ext4"
    base = cached_image(RECIPE)
    with open(image, "wb") as made:
        made.truncate(base.stat().st_size)
    copy_sparse(base, image)
    built = {} if plain else {**installed(work, PREFIX), **_ENABLED}
    put_files(image, {**built, **_DEVICE, **(files or {})}, work)
    return image


def agents_disk(work, *, config=None, env=None, image=None, image_b=None, boot=None, state=None,
                data=None, files=None, name="agents", data_size=128):
    """Its disk, in the directory `work`.

    config   of config.json: a dict, or text or bytes as they are; None for no file
    env      the boot environment; root A is committed by default
    image    of the root, as made by agents_image(); made with `files` in it by default
    image_b  another one for root B
    boot, state, data
             further files of these partitions
    """
    image = image or agents_image(work, files)
    disk = Disk(Path(work) / f"{name}.img", [
        Partition("boot", "vfat", size=40, gpt_name="tug-boot"),
        Partition("rootA", image=image, size=RECIPE.size, gpt_name="tug-rootA"),
        Partition("rootB", image=image_b or image, size=RECIPE.size, gpt_name="tug-rootB"),
        Partition("state", size=24, gpt_name="tug-state", files=state or {}),
        Partition("data", size=data_size, gpt_name="tug-data", files=data or {}),
    ])
    disk.set_env(env or {"resin_root_part": "A"})
    for path, content in (boot or {}).items():
        disk.write("boot", path, content)
    if config is not None:
        disk.write("boot", "config.json", config_text(config))
    return disk


def agents_guest(boot, *disks, memory=MEMORY, **how):
    """A guest of it, not started: Tugboot by QEMU, without firmware; see Boot.guest()."""
    return boot.guest(*disks, memory=memory, **how)


def login(guest, timeout=300):
    """Waits for the shell of the root."""
    guest.login(timeout)
    # Lines are as long as they are: the shell shall not wrap what is typed.
    guest.shell("stty cols 20000; mkdir -p /tmp/in")


def reboot(guest, resets=1, timeout=300):
    """From the shell of one system to that of the next one, after so many further resets."""
    before = guest.resets
    guest.send("reboot\n")
    guest.wait_resets(before + resets, timeout)
    login(guest)


def power_off(guest, timeout=180):
    """To the end of the guest, in good order."""
    guest.send("poweroff\n")
    guest.wait_end(timeout, max_resets=guest.resets)


def config_text(config):
    """The bytes of a config.json: of a dict, or of text or bytes as they are."""
    if isinstance(config, bytes):
        return config
    return (config if isinstance(config, str) else json.dumps(config)).encode()


_PIECE = 1500  # of a line for the shell


def put(guest, path, content, mode="644"):
    """Writes a file in the running guest: beside it first, then renamed."""
    data = base64.b64encode(content if isinstance(content, bytes) else content.encode()).decode()
    guest.shell(": >/tmp/in/base64")
    for start in range(0, len(data), _PIECE):
        guest.shell(f"printf %s {data[start:start + _PIECE]} >>/tmp/in/base64")
    guest.shell(f"base64 -d /tmp/in/base64 >{path}.in && chmod {mode} {path}.in && "
                f"mv {path}.in {path}")


def wait_for(guest, command, timeout=60, pause=0.5):
    """Runs a command until it succeeds; returns what it printed then. For what the guest does in
    its own time; the last output is in the failure."""
    end = time.monotonic() + timeout
    while True:
        lines = guest.shell(f"{{ {command}\n}} 2>&1; echo \"=$?\"", timeout=timeout).splitlines()
        if lines[-1].endswith("=0"):
            lines[-1] = lines[-1].removesuffix("=0")
            return "\n".join(lines).strip()
        if time.monotonic() > end:
            raise GuestError(f"`{command}` did not succeed within {timeout} s:\n{lines}")
        guest.pause(pause)


def status(guest, agent="config"):
    """What an agent says in its status file: {key: value}, of a key that is there several times all
    values, a line each; empty before it has said anything."""
    words = {}
    for line in guest.shell(f"cat {STATUS}/{agent} 2>/dev/null || true").splitlines():
        key, _, value = line.partition("=")
        words[key] = f"{words[key]}\n{value}" if key in words else value
    return words


def config(guest, settings, timeout=60):
    """Replaces config.json in the running guest (None: removes it) and waits until the config agent
    has dealt with it, in whatever way; returns its status. One that is there already is left."""
    if settings is None:
        command = f"rm -f {CONFIG}"
    else:
        put(guest, "/tmp/in/config.json", config_text(settings))
        command = f"cmp -s /tmp/in/config.json {CONFIG} || {{ cp /tmp/in/config.json {CONFIG}.in " \
            f"&& mv {CONFIG}.in {CONFIG} && echo changed; }}"
    # The file is replaced by another one each time.
    which = f"stat -c '%i %z' {STATUS}/config 2>/dev/null || true"
    before = guest.shell(which)
    if guest.shell(command) == "changed" or settings is None:
        end = time.monotonic() + timeout
        while guest.shell(which) == before:
            if time.monotonic() > end:
                raise GuestError(f"the config agent said nothing new within {timeout} s: "
                                 f"{status(guest)}")
            guest.pause(0.2)
    return status(guest)
