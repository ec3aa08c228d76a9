# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is recorded: the life of a device on each kind of store and filesystem, in operations of
tests/power/record.c."""

import struct
import zlib

from harness.disk import env_block
from machine import Scenario

# A user's keys, which no power cut may lose; the long one pushes what follows into the block's
# second sector.
KEYS = {"user_name": "somebody", "user_long": "0123456789" * 38, "bootlimit": "2"}
LETTERS = {"resin_root_part": "A", "upgrade_available": "0", "bootcount": "0"}

# An update that is good, one that is not, power cuts and clean reboots on the way, and what a user
# sets meanwhile; all of what a bootloader, an agent and `tugboot` write.
LIFE = [
    "set user_colour=blue",
    "try B",
    "boot",
    "boot power-cut",
    "ended",
    "boot clean",
    "good B",
    "boot",
    "hold",
    "set user_name=somebody_else user_last=z",
    "try A",
    "release",
    "boot",
    "boot watchdog",
    "boot watchdog",
    "set -user_colour user_last=abcdefghijklmnopqrstuvwxyz",
    "bad A",
    "switch A",
    "boot panic",
    "good A",
]
SHORT_LIFE = ["try B", "boot", "set user_colour=blue", "good B"]


def binary(variables, size=0x2000, flag=None):
    """U-Boot's binary environment, single, or one copy of a redundant one."""
    data = b"".join(f"{name}={value}\0".encode() for name, value in variables.items())
    head = 4 if flag is None else 5
    data = data.ljust(size - head, b"\0")
    flags = b"" if flag is None else bytes([flag])
    return struct.pack("<I", zlib.crc32(data)) + flags + data


def text(variables):
    """balenaOS's three files."""
    own = ("resin_root_part", "upgrade_available")
    return {
        "resinOS_uEnv.txt": "".join(f"{name}={variables[name]}\n" for name in own).encode(),
        "extra_uEnv.txt": "".join(f"{name}={value}\n" for name, value in variables.items()
                                  if name not in (*own, "bootcount")).encode(),
        "bootcount.env": f"bootcount={variables['bootcount']}\n\0".encode(),
    }


def scenarios():
    """All of them."""
    letters = {**LETTERS, **KEYS}
    indexes = {**letters, "resin_root_part": "2"}
    raw = binary(letters, flag=1)
    raw_image = raw.ljust(0x10000, b"\0") + binary({**letters, "bootcount": "9"}, flag=0)
    made = []

    def add(name, filesystem, files, environment, operations, **more):
        made.append(Scenario(f"{filesystem} {name}", filesystem, more.pop("raw", False), files,
                             environment, operations, **more))

    for fs in ("fat16", "fat32", "ext4"):
        block = {"bootenv": env_block(letters)}
        add("grub", fs, block, letters, LIFE)
        add("text", fs, text(indexes), indexes, LIFE)
        add("uboot", fs, {"uboot.env": binary(letters)}, letters, LIFE)
        add("redundant", fs, {"uboot.env": binary(letters, flag=1),
                              "uboot-redund.env": binary(letters, flag=0)}, letters, LIFE)
        add("first", fs, {}, {}, SHORT_LIFE)
        add("migrate", fs, block, letters,
            ["migrate uboot-text", "boot", "migrate uboot", "migrate raw", "set a=1",
             "migrate grub"], raw=True)
    add("raw", "none", {}, letters, LIFE, raw=True, raw_image=raw_image)
    add("raw first", "none", {}, {}, SHORT_LIFE, raw=True)
    return made


def faulty():
    """What must be found to lose keys: the block alone, as other programs write it, and a filesystem
    that a cut can make unmountable."""
    letters = {**LETTERS, **KEYS}
    trial = "{verb} resin_root_part=B upgrade_available=1 user_last=z"
    made = {
        verb: Scenario(verb, "fat16", False, {"bootenv": env_block(letters)}, letters,
                       [trial.format(verb=verb)])
        for verb in ("truncate", "plain")
    }
    made["checksums"] = Scenario("checksums", "ext4-csum", False, {"bootenv": env_block(letters)},
                                 letters, SHORT_LIFE)
    return made
