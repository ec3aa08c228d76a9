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


class _Text:
    """strtok(3) over a C string."""

    def __init__(self, text):
        self.text = text.split(b"\0")[0]

    def token(self, delimiter):
        text = self.text.lstrip(delimiter)
        token, _, self.text = text.partition(delimiter)
        return token or None


def by_swupdate(data):
    """The same for SWUpdate's reader of the block (2022.12, bootloader/grub.c): pairs of pieces up to
    the next '=' and the next newline, wherever lines begin. None: refused. Nothing is unescaped; an
    empty value takes the line behind it, a comment becomes part of the next name."""
    if len(data) != SIZE or not data.startswith(SIGNATURE.rstrip(b"\n")):
        return None
    text, pairs = _Text(data), []
    text.token(b"\n")
    while True:
        name, value = text.token(b"="), text.token(b"\n")
        if name is None or value is None:
            return pairs
        pairs.append((name, value))


def same_for_swupdate(data):
    """Is each line a variable, with a value that is not empty and not escaped? Then SWUpdate reads
    what GRUB reads."""
    content = data[len(SIGNATURE) :].rstrip(b"#")
    return well_formed(data) and not {0, 0x5C} & set(content) and all(
        name and equals and value and name[:1] != b"#"
        for name, equals, value in (line.partition(b"=") for line in content.split(b"\n")[:-1]))
