# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's swupdate, its functions for the boot loader's environment called by swupdate_hook.c."""

import os
import shutil
import struct
import subprocess

import agree

PROGRAM = shutil.which("swupdate")
HOOK = agree.PROGRAMS / "swupdate_hook.so"
# Compiled into Debian's package.
GRUBENV = b"/boot/grub/grubenv"
FW_ENV_CONFIG = b"/etc/fw_env.config"
NO_STRING = 0xFFFFFFFF
NO_NAMESPACE = 77


class NotAllowed(Exception):
    """This system gives nobody a mount namespace."""


def request(letter, *strings):
    parts = [letter, struct.pack("<I", len(strings))]
    for string in strings:
        parts += [struct.pack("<I", len(string)), string]
    return b"".join(parts)


class SWUpdate:
    """One process, with file systems of its own; requests are collected, and sent by ask()."""

    def __init__(self, loader):
        environment = {**os.environ, "LD_PRELOAD": str(HOOK)}
        self.process = subprocess.Popen(["swupdate", loader], executable=PROGRAM, env=environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.stderr.close()
        self.process.wait()

    def _take(self, size):
        data = self.process.stdout.read(size)
        if len(data) == size:
            return data
        status = self.process.wait()
        message = self.process.stderr.read().decode(errors="replace")
        if status == NO_NAMESPACE:
            raise NotAllowed(message)
        raise RuntimeError(f"swupdate has ended ({status}): {message}")

    def ask(self, *requests):
        """A pair of result and string (or None) for each request."""
        try:
            self.process.stdin.write(b"".join(requests))
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # why, _take() finds out
        answers = []
        for _ in requests:
            result, size = struct.unpack("<iI", self._take(8))
            answers.append((result, None if size == NO_STRING else self._take(size)))
        return answers

    def write(self, path, data):
        [(result, _)] = self.ask(request(b"w", path, data))
        agree.expect(result == 0, "a file is written", path=path)

    def read(self, path):
        [(_, data)] = self.ask(request(b"r", path))
        return data

    def get(self, names):
        """Value, or None, of each name."""
        return dict(zip(names, (value for _, value in
                                self.ask(*(request(b"g", name) for name in names)))))

    def set(self, name, value):
        return self.ask(request(b"s", name, value))[0][0] == 0

    def unset(self, name):
        return self.ask(request(b"u", name))[0][0] == 0

    def apply(self, text):
        """A file as the section `bootenv` of a .swu file becomes one."""
        return self.ask(request(b"a", text))[0][0] == 0
