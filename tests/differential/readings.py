# SPDX-License-Identifier: LGPL-2.1-or-later
"""What each tool reads from any bytes, in a few lines: the differences that lib/base/grubenv.h
lists, pinned. For plain files the tools are compared with each other, without these."""

from blocks import SIGNATURE, SIZE, ends_cleanly

TUGBOOT_READS = 16 * 1024


def line_end(data, at):
    """Place of the newline that ends the line at `at`; None when none does."""
    while at < len(data):
        if data[at] == 0x5C:
            at += 1
        elif data[at] == 0x0A:
            return at
        at += 1
    return None


def value_of(raw):
    plain, at = bytearray(), 0
    while at < len(raw):
        if raw[at] == 0x5C and at + 1 < len(raw):
            at += 1
        plain.append(raw[at])
        at += 1
    return bytes(plain).split(b"\0")[0]


def well_formed(data):
    return len(data) == SIZE and data.startswith(SIGNATURE) and ends_cleanly(data)


def has_filler(data):
    """Is there an empty line or one of '#' alone, which tugboot gives up for room?"""
    at = 0
    while (end := line_end(data, at)) is not None:
        if not data[at:end].strip(b"#"):
            return True
        at = end + 1
    return False


def by_tugboot(data):
    """Pairs of name and value: line by line, each line for itself."""
    if len(data) > SIZE and well_formed(data[:SIZE]):
        data = data[:SIZE]
    data = data[:TUGBOOT_READS]
    pairs, at = [], 0
    while (end := line_end(data, at)) is not None:
        name, equals, raw = data[at:end].partition(b"=")
        if equals and name and name[:1] != b"#" and not {0, 0x0A} & set(name):
            pairs.append((name, value_of(raw)))
        at = end + 1
    return pairs


def by_grub(data):
    """The same for grub-editenv: a name is all that stands before a '='. None: refused."""
    if len(data) <= len(SIGNATURE) or not data.startswith(SIGNATURE):
        return None
    pairs, at = [], len(SIGNATURE)
    while at < len(data):
        name_at = at
        if data[at] != 0x23:
            at = data.find(b"=", at) + 1
            if at == 0:
                break
        end = line_end(data, at)
        if end is None:
            break
        if data[name_at] != 0x23:
            pairs.append((data[name_at : at - 1].split(b"\0")[0], value_of(data[at:end])))
        at = end + 1
    return pairs


def listed(pairs):
    """As both tools print them."""
    return b"".join(name + b"=" + value + b"\n" for name, value in pairs)
