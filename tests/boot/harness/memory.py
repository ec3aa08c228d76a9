# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a guest's memory holds: a dump of all of it, and a search for secrets.

    memory = Memory.of(guest)               # paused from now on
    memory.find([Secret("the passphrase", text)])

A secret is found by any 16 bytes of it in a row: what is left of one that was overwritten in part
is found too, and so is what lies on the border of two pages. Its other forms (hexadecimal digits,
base64) count as well.
"""

import base64
import struct
from dataclasses import dataclass
from pathlib import Path

from . import images
from .tools import run

PIECE = 16

# The TPM's buffer for commands and answers is memory of its own (TCG PTP, CRB interface).
CRB, CRB_SIZE = 0xFED40000, 0x5000


@dataclass(frozen=True)
class Secret:
    """A name for what is to be found nowhere, and the bytes."""

    name: str
    data: bytes

    def forms(self):
        """{form: bytes}, as it may lie in memory."""
        forms = {"as it is": self.data}
        # A text is not written down in another way.
        if not self.data.isascii():
            forms["hexadecimal"] = self.data.hex().encode()
            forms["HEXADECIMAL"] = self.data.hex().upper().encode()
            forms["base64"] = base64.b64encode(self.data).rstrip(b"=")
            words = struct.unpack(f">{len(self.data) // 4}I", self.data[:len(self.data) & ~3])
            forms["words turned"] = struct.pack(f"<{len(words)}I", *words)
        return forms

    def pieces(self):
        """(where in it, form, bytes) of what is looked for."""
        for form, data in self.forms().items():
            last = max(len(data) - PIECE, 0)
            for at in sorted({*range(0, last, PIECE), last}):
                yield at, form, data[at:at + PIECE]


class Memory:
    """A dump, in files."""

    def __init__(self):
        self.parts = []  # (address, file)

    @classmethod
    def of(cls, guest):
        """Of a guest, which is stopped for it and stays so."""
        memory = cls()
        for address, size in ((0, guest.memory << 20), (CRB, CRB_SIZE)):
            path = Path(guest.work) / f"memory-{address:x}.img"
            guest.save_memory(path, address, size)
            memory.parts.append((address, path))
        return memory

    def find(self, secrets):
        """What there is of them: {(secret, form, where in it): addresses}."""
        pieces = [(secret, form, at, piece)
                  for secret in secrets for at, form, piece in secret.pieces()]
        lines = "".join(f"{piece.hex()}\n" for *_, piece in pieces)
        found = {}
        for address, path in self.parts:
            for line in run(images.program("search"), path, input=lines).splitlines():
                number, at = map(int, line.split())
                found.setdefault(pieces[number][:3], []).append(address + at)
        return found

    def around(self, address, size=64):
        """The bytes around an address, for a person."""
        start, path = max(part for part in self.parts if part[0] <= address)
        with open(path, "rb") as dump:
            dump.seek(max(address - start - size, 0))
            return dump.read(2 * size)
