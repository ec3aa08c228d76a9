# SPDX-License-Identifier: LGPL-2.1-or-later
"""`make run`: a disk with two Debian roots, started by real UEFI firmware in QEMU.

The disk stays in build/<arch>/demo, so that what is done in it lasts until `make clean` or --fresh;
Tugboot itself is put in anew each time. Without a terminal, or with --check, it goes through the
demonstration's first steps by itself and says whether they worked.
"""

import argparse
import os
import re
import shutil
import sys

from harness import Guest, GuestError, HarnessError
from harness.debian import KERNELS, debian_disk
from harness.guest import OVMF_VARS, demo_command
from harness.tools import BUILD

WELCOME = """
  Tugboot: {disk}
  starts under UEFI firmware (OVMF) with the console here. Root A is Debian with
  {A}, root B with {B}.
  You are logged in as root by the system itself; there is no password.

  Try:
    tugboot status                     which root this is, why, and what is stored
    tugboot slot try B; reboot         root B on trial, with two tries
    tugboot slot good                  in B: it stays

  Break it, and see A come back:
    tugboot slot try B; reboot         then, in B, twice: echo c >/proc/sysrq-trigger
    tugboot slot try B                 or take B's kernel away:
      mount LABEL=tug-rootB /mnt && rm /mnt/boot/vmlinuz-* && umount /mnt; reboot
    `make run` keeps what you did; `make clean` throws it away.

  Leave with `poweroff`, or at any time with Ctrl-A X.
"""


def prepare(fresh):
    """The demonstration's directory with its disk and the firmware's variables."""
    where = BUILD / "demo"
    if fresh:
        shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True, exist_ok=True)
    path = where / "disk.img"
    if path.exists():
        debian_disk(path, make=False)
    else:
        print("making the disk", file=sys.stderr, flush=True)
        # Under another name until it is whole: an interrupted run must not leave half a disk.
        half = debian_disk(where / "disk.half")
        half.path.rename(path)
    variables = where / "efi-variables.fd"
    if not variables.exists():
        shutil.copy(OVMF_VARS, variables)
    return where


def check(where):
    """The root that is due up to its login, `tugboot status`, power off."""
    guest = Guest(where, memory=1024)
    guest.attach(where / "disk.img")
    guest.boot_firmware()
    try:
        with guest:
            guest.login(timeout=300)
            line = guest.shell("cat /proc/cmdline")
            slot = re.search(r"tugboot\.slot=(\S+)", line).group(1)
            print(line)
            print(guest.shell("tugboot status"))
            guest.send("poweroff\n")
            guest.wait_end(120, max_resets=0)
    except (GuestError, HarnessError) as error:
        log = where / "console.log"
        log.write_text(guest.console, encoding="utf-8")
        print(f"demo: {error}; the console is in {log}, its end:", file=sys.stderr)
        print("\n".join(guest.console.splitlines()[-30:]), file=sys.stderr)
        return 1
    print(f"demo: root {slot} came up to its login, answered and powered off")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fresh", action="store_true", help="throw the disk away first")
    parser.add_argument("--check", action="store_true", help="go through it without a person")
    parser.add_argument("--kvm", action="store_true", help="with hardware virtualisation")
    arguments = parser.parse_args()
    try:
        where = prepare(arguments.fresh)
    except HarnessError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    if arguments.check or not sys.stdin.isatty():
        return check(where)
    print(WELCOME.format(disk=where / "disk.img", **KERNELS), flush=True)
    command = demo_command(where, arguments.kvm)
    os.execvp(command[0], command)


if __name__ == "__main__":
    sys.exit(main())
