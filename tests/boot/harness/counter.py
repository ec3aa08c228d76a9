# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a guest's processor executes, counted outside of the guest by a plugin of QEMU's
(tests/boot/count.c).

    counter = Counter(work, kernel=(LOG,), calls=(("libcrypto.so.3", "EVP_KDF_derive"),))
    counter.add_to(guest)                # before it is started
    ...
    counter.read()                       # [(name, instructions before it)], in order
    lines(counter.read(), guest.console) # the same for each line that a program wrote to the log

`kernel` are functions of our own kernel, which must be told `nokaslr`; `calls` are functions of
shared libraries in the image, known by their instructions in whatever process they are run.

It trusts the tests.
"""

import re
from pathlib import Path

from . import images
from .tools import TREE, HarnessError, artifact, run

# Of a function's instructions without a jump between them, this many bytes tell what it is.
CODE_MIN, CODE_MAX = 12, 64
PAGE = 4096
LOG = "devkmsg_write"


def plugin():
    """The plugin, compiled."""
    source = TREE / "tests/boot/count.c"
    flags = ["-std=gnu17", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-D_GNU_SOURCE",
             "-shared", "-fPIC", "-fvisibility=hidden"]

    def make(path):
        run("gcc", *flags, "-o", path, source)

    return images.kept("count", source.read_bytes() + repr(flags).encode(), make)


def libraries():
    """{name: file} of the shared libraries in the image: unpacked at the start, or when needed."""
    lines = [line for listing in ("libraries.list", "loaded.list")
             for line in artifact(listing).read_text(encoding="utf-8").splitlines()]
    return {Path(place).name: TREE / file for place, _, file in
            (line.partition("=") for line in lines)}


def library(name):
    """The file of a shared library in the image."""
    if name not in libraries():
        raise HarnessError(f"{name} is not in the image")
    return libraries()[name]


def code_of(file, function):
    """(offset in its page, bytes): the first instructions of a function that are executed without a
    jump and are enough to know it by. No other place in the image has them at that offset."""
    listing = run("objdump", "-d", "--insn-width=16", f"--disassemble={function}", file)
    found = re.findall(r"^\s+([0-9a-f]+):\t([0-9a-f ]+)\t(\w+)", listing, re.MULTILINE)
    start, code = None, b""
    for address, data, operation in found:
        start = int(address, 16) if not code else start
        data = bytes.fromhex(data)
        fits = len(code + data) <= min(CODE_MAX, PAGE - start % PAGE)
        code += data if fits else b""
        if fits and operation[0] != "j" and operation not in ("call", "ret"):
            continue
        if len(code) >= CODE_MIN:
            _check_single(start % PAGE, code)
            return start % PAGE, code
        code = b""
    raise HarnessError(f"{function} of {file} has nothing to know it by")


def _check_single(offset, code):
    """Files are mapped page by page, so an offset in a page is the same in the file."""
    places = []
    for file in (*libraries().values(), artifact("bootloader"), artifact("init")):
        places += [file for match in re.finditer(re.escape(code), file.read_bytes())
                   if match.start() % PAGE == offset]
    if len(places) != 1:
        raise HarnessError(f"the same instructions are in {places}")


class Counter:
    """One count, of one guest."""

    def __init__(self, work, kernel=(), calls=()):
        self.path = Path(work) / "count"
        self._arguments = [f"{plugin()}", f"out={self.path}"]
        if kernel:
            symbols = dict(
                reversed(line.split()[::2])
                for line in artifact("kernel.System.map").read_text(encoding="ascii").splitlines()
            )
            self._arguments += [f"at={name}:{symbols[name]}" for name in kernel]
        for file, name in calls:
            offset, code = code_of(library(file), name)
            self._arguments.append(f"code={name}:{offset:x}:{code.hex()}")

    def add_to(self, guest):
        """Of what is executed in this guest."""
        guest.add("-plugin", ",".join(self._arguments))

    def read(self):
        """[(name, instructions executed before)] so far."""
        found = []
        for line in self.path.read_text(encoding="ascii").splitlines():
            name, count = line.split()
            found.append((name, int(count)))
        return found


def lines(counted, console):
    """[(text, instructions)]: the lines of `console` that programs wrote to the kernel's log, with
    when they did; needs LOG among the functions of the kernel. Every program of a test says who
    it is."""
    texts = re.findall(r"^(?:\[[ \d.]+\] )?((?:tugboot|bench): .*)$", console, re.MULTILINE)
    counts = [count for name, count in counted if name == LOG]
    if len(texts) != len(counts):
        raise HarnessError(f"{len(counts)} lines were written to the log, {len(texts)} are shown")
    return list(zip(texts, counts))
