# SPDX-License-Identifier: LGPL-2.1-or-later
"""U-Boot itself (Debian's u-boot-qemu) in a virtual machine, at its prompt. The machine's memory is
a file, so that what U-Boot is to read, and what it wrote, needs no way through its console."""

import mmap
import os
import selectors
import shutil
import subprocess
import time

QEMU = shutil.which("qemu-system-x86_64")
ROM = "/usr/lib/u-boot/qemu-x86/u-boot.rom"
MEMORY = 64 << 20
PROMPT = b"=> "
DEADLINE = 120


class UBoot:
    """One machine; `memory` is its memory from address 0 on."""

    def __init__(self, where):
        path = where / "memory"
        with open(path, "wb") as file:
            file.truncate(MEMORY)
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), MEMORY)
        self.process = subprocess.Popen(
            # The guest's time counts its instructions. With the host's, a busy host makes U-Boot
            # misread the speed of its clock now and then, and wait for hours.
            [QEMU, "-accel", "tcg", "-icount", "shift=0,sleep=off", "-display", "none",
             "-nic", "none", "-serial", "stdio", "-monitor", "none", "-m", str(MEMORY >> 20),
             "-machine", "pc,memory-backend=memory",
             "-object", f"memory-backend-file,id=memory,size={MEMORY},mem-path={path},share=on",
             "-bios", ROM],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(self.process.stdout.fileno(), False)

    def __enter__(self):
        self._wait_for(b"Hit any key")
        # The key, and a first prompt.
        self.command("")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.memory.close()

    def _wait_for(self, text):
        seen, end = b"", time.monotonic() + DEADLINE
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while text not in seen:
                if not selector.select(end - time.monotonic()):
                    raise RuntimeError(f"U-Boot is silent after: {seen[-300:]!r}")
                more = self.process.stdout.read()
                if not more:
                    raise RuntimeError(f"the machine has ended after: {seen[-300:]!r}")
                seen += more
        return seen

    def command(self, line):
        """What U-Boot says to it, its own echo of the line among it."""
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return self._wait_for(PROMPT)

    def does(self, line):
        """Does it succeed?"""
        said = self.command(f"if {line}; then echo wi''n; else echo lo''ss; fi")
        return b"\nwin" in said and b"\nloss" not in said

    def put(self, address, data, size):
        self.memory[address : address + size] = data.ljust(size, b"\xee")

    def take(self, address, size):
        return self.memory[address : address + size]
