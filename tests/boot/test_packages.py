# SPDX-License-Identifier: LGPL-2.1-or-later
"""The packages of `make deb` on a Debian that has nothing of Tugboot but its boot loader: they come
in by apt, work, and leave nothing behind when they are purged. There is no network: what they
depend on is there."""

import base64

from harness.agents import (CONFIG, agents_disk, agents_guest, agents_image, login, power_off,
                            reboot, wait_for)
from harness.tools import BUILD, HarnessError, run

PACKAGES = ("tugboot", "tugboot-agent", "tugboot-bootloader")
AGENTS = ("config", "network", "time")
UNITS = "/usr/lib/systemd/system"
DEBS = "/mnt/data/debs"

# Something of each kind that the config agent makes: files of /etc that were there and that were
# not, links, files of /run, states of the kernel.
SETTINGS = {
    "hostname": "installed",
    "persistentLogging": True,
    "ntpServers": "192.0.2.1",
    "dnsServers": "192.0.2.53",
    "country": "DE",
    "developmentMode": True,
    "os": {
        "network": {"wifi": {"randomMacAddressScan": True},
                    "connectivity": {"uri": "http://192.0.2.1/", "interval": "60"}},
        "udevRules": {"64": 'KERNEL=="null", SYMLINK+="packaged"'},
        "sshKeys": [
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGxKlMAQK8HfnDy02oLCvU1ImUPW9yb0u5x0vHqRTmcF x"
        ],
    },
}

# What is on the system, a line each: kind, mode, owner, size of files, where a link goes, and the
# path; of what is meant to be read, a digest. And what may change by itself, or by any package that
# comes and goes.
LIST = r"""
import hashlib, os, stat, sys
SELVES = (
    "/dev", "/proc", "/sys", "/tmp", "/var/tmp", "/root/.bash_history", "/etc/mtab",
    "/var/cache", "/var/log", "/var/lib/apt", "/var/lib/dpkg", "/var/backups",
    "/var/lib/systemd", "/var/lib/chrony", "/var/lib/NetworkManager", "/var/lib/dbus",
    "/var/lib/private", "/run/systemd", "/run/udev", "/run/log", "/run/lock", "/run/dbus",
    "/run/user", "/run/NetworkManager", "/run/chrony", "/run/avahi-daemon", "/run/dnsmasq",
    "/run/utmp", "/run/credentials", "/run/blkid", "/run/mount", "/run/sshd", "/lost+found",
    "/mnt/data/debs", "/run/motd.dynamic",
    # The boot loader's: its copy of the environment.
    "/mnt/boot/tugboot.env",
)
KEPT = ("/run/systemd/system", "/run/systemd/generator", "/run/udev/rules.d")
def look(path):
    st = os.lstat(path)
    words = [stat.filemode(st.st_mode), f"{st.st_uid}:{st.st_gid}"]
    if stat.S_ISLNK(st.st_mode):
        words.append("-> " + os.readlink(path))
    elif stat.S_ISREG(st.st_mode):
        words.append(str(st.st_size))
        if path.startswith(("/etc/", "/run/", "/mnt/", "/var/", "/usr/local/")):
            with open(path, "rb") as f:
                words.append(hashlib.sha256(f.read()).hexdigest())
    print(" ".join([path, *words]))
    return stat.S_ISDIR(st.st_mode)
def walk(path):
    for name in sorted(os.listdir(path)):
        below = os.path.join(path, name)
        if below in SELVES:
            for kept in KEPT:
                if kept.startswith(below + "/") and os.path.isdir(kept):
                    look(kept); walk(kept)
        elif look(below):
            walk(below)
walk("/")
"""


def packages():
    """What `make deb` has made: {path on the data partition: Path}."""
    found = {f"/debs/{path.name}": path for path in sorted((BUILD / "deb").glob("*.deb"))}
    if sorted(path.name.split("_")[0] for path in found.values()) != sorted(PACKAGES):
        raise HarnessError(f"found {list(found)}, expected {PACKAGES}: run `make deb`")
    return found


def shown(guest, name):
    """What is on the system now, for gone()."""
    guest.shell(f"python3 {DEBS}/list.py >{DEBS}/{name}", timeout=180)


def differences(guest, before, after):
    return guest.shell(f"diff {DEBS}/{before} {DEBS}/{after} | grep '^[<>]' || true")


def settled(guest):
    """Waits until nothing is being started any more."""
    return guest.shell("systemctl is-system-running --wait || true", timeout=240)


def units(guest, which):
    """The lines of systemd about Tugboot's units."""
    return guest.shell(f"systemctl list-units {which} --no-pager --no-legend 'tugboot*'")


def certificate(work):
    """A certificate of an authority, as balenaRootCA has it."""
    path = work / "authority.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes", "-keyout", work / "authority.key", "-out", path, "-subj", "/CN=Test Authority")
    return base64.b64encode(path.read_bytes()).decode()


# What is to be seen of SETTINGS when they hold.
EFFECTS = (
    "test $(hostname) = installed",
    "grep -qx installed /etc/hostname",
    "chronyc -n sources | grep -q 192.0.2.1",
    "NetworkManager --print-config | grep -q 'uri=http://192.0.2.1/'",
    "test -e /etc/udev/rules.d/64.rules",
    "grep -q AAAAC3NzaC1lZDI1NTE5 /run/tugboot/ssh/authorized_keys",
    "mountpoint -q /var/log/journal",
    "grep -rqx 'Storage=persistent' /etc/systemd/journald.conf.d",
    "test -e /etc/ssl/certs/balenaRootCA.pem",
)


def check_works(guest):
    """The command and the agents do what they are there for."""
    for agent in AGENTS:
        assert guest.shell(f"systemctl is-active tugboot-{agent}.service") == "active"
    assert units(guest, "--failed") == ""
    assert "slot A" in guest.shell("tugboot status")
    assert "floor" in guest.shell("tugboot time status --json")
    assert "os.network.connectivity.uri" in guest.shell("tugboot config schema")
    assert guest.shell(f"tugboot config check {CONFIG}") == "ok"
    for effect in EFFECTS:
        wait_for(guest, effect)


def test_packages_install_work_and_leave_nothing_behind(boot, record_property):
    settings = {**SETTINGS, "balenaRootCA": certificate(boot.work)}
    disk = agents_disk(boot.work, config=settings, image=agents_image(boot.work, plain=True),
                       data={**packages(), "/debs/list.py": LIST.encode()})
    with agents_guest(boot, disk) as guest:
        login(guest)
        settled(guest)
        assert guest.shell("command -v tugboot || true") == ""
        name = guest.shell("hostname")
        shown(guest, "before")
        guest.shell(f"apt-get install -y --no-install-recommends {DEBS}/*.deb", timeout=240)
        check_works(guest)
        assert guest.shell(f"systemd-analyze verify --man=no {UNITS}/tugboot-*.*") == ""
        # Again: everything goes on as it was.
        guest.shell(f"apt-get install -y --reinstall {DEBS}/tugboot-agent_*.deb", timeout=240)
        check_works(guest)
        # By the links in the packages, and before the daemons.
        reboot(guest)
        settled(guest)
        check_works(guest)
        guest.shell(f"apt-get purge -y {' '.join(PACKAGES)}", timeout=240)
        settled(guest)
        shown(guest, "after")
        assert differences(guest, "before", "after") == ""
        assert guest.shell("hostname") == name
        for effect in EFFECTS[2:]:
            guest.shell(f"! {effect}")
        files = guest.shell(f"wc -l <{DEBS}/after")
        record_property("shown", f"{files} files, directories and links are as before")
        assert guest.shell(f"ls {UNITS} | grep tugboot || true") == ""
        power_off(guest)
