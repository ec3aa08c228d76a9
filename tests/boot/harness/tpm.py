# SPDX-License-Identifier: LGPL-2.1-or-later
"""A TPM 2.0 for a guest: swtpm, which runs the reference code, on a state that outlives guests.

    tpm = Tpm(work)
    with tpm.powered() as tcti:          # without a guest: for tools, as `swtpm:path=…`
        tpm.replay(log)                  # the PCRs as a boot of that machine leaves them
        run("systemd-cryptenroll", f"--tpm2-device={tcti}", …)
    guest.add_tpm(tpm)                   # as its device; it is reset when the guest is

Between the TPM and whoever uses it is a relay, which keeps the names of the commands that went
through (`tpm.commands`) and lets a test answer some of them itself: `tpm.answer`.

It trusts the tests.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from .tools import HarnessError

# TPM 2.0 Library part 2, 6.5.2 (TPM_CC), those that tests look for.
COMMANDS = {
    0x11F: "NV_UndefineSpaceSpecial", 0x121: "HierarchyControl", 0x122: "NV_UndefineSpace",
    0x126: "Clear", 0x129: "HierarchyChangeAuth", 0x12A: "NV_DefineSpace",
    0x131: "CreatePrimary", 0x137: "NV_Write", 0x139: "DictionaryAttackLockReset",
    0x13C: "PCR_Event", 0x13D: "PCR_Reset", 0x143: "SelfTest", 0x144: "Startup", 0x145: "Shutdown",
    0x14E: "NV_Read", 0x151: "PolicySecret", 0x153: "Create", 0x157: "Load", 0x15E: "Unseal",
    0x165: "FlushContext", 0x167: "LoadExternal", 0x169: "NV_ReadPublic", 0x16A: "PolicyAuthorize",
    0x16B: "PolicyAuthValue", 0x171: "PolicyOR", 0x173: "ReadPublic", 0x176: "StartAuthSession",
    0x177: "VerifySignature", 0x17A: "GetCapability", 0x17B: "GetRandom", 0x17E: "PCR_Read",
    0x17F: "PolicyPCR", 0x182: "PCR_Extend", 0x189: "PolicyGetDigest",
}

# TPM 2.0 Library part 2, 6.6.3 (TPM_RC).
RC_FAILURE = 0x101
RC_CURVE = 0x0A6
RC_LOCKOUT = 0x921
RC_RETRY = 0x922

# TPM_ALG_ID, the same part, 6.3.
BANKS = {0x4: "sha1", 0xB: "sha256", 0xC: "sha384", 0xD: "sha512"}
ALG_ECC = 0x23

START_SECONDS = 20

EV_NO_ACTION = 0x3

_SO_PEERCRED = 17  # asm-generic/socket.h


def refusal(code):
    """A TPM's answer that says only this."""
    return struct.pack(">HII", 0x8001, 10, code)


def without_ecc(name, command):
    """For Tpm.answer: a TPM that has no elliptic curves. What asks for a primary key on one is
    refused."""
    if name == "CreatePrimary" and _primary_type(command) == ALG_ECC:
        return refusal(RC_CURVE)
    return None


def _primary_type(command):
    """The type in the template of a TPM2_CreatePrimary: behind handle, authorisations and
    TPM2B_SENSITIVE_CREATE (part 3, 24.1)."""
    at = 14 + 4 + struct.unpack_from(">I", command, 14)[0]
    at += 2 + struct.unpack_from(">H", command, at)[0]
    return struct.unpack_from(">H", command, at + 2)[0]


class Tpm:
    """One TPM; its state is in a directory of its own below `work`."""

    def __init__(self, work, name="tpm"):
        self.state = (Path(work) / name).resolve()
        self.commands = []  # names, in order
        self.answer = None  # answer(name, command): bytes to say instead, None for the TPM's own
        self._process = None
        self._sockets = None  # directory
        self._relay = None

    def copy(self, work, name="tpm"):
        """Another TPM with this one's state."""
        other = Tpm(work, name)
        shutil.copytree(self.state, other.state)
        return other

    def count(self, name):
        """How often this command went through."""
        return self.commands.count(name)

    # Its life.

    def _start(self, *arguments):
        if shutil.which("swtpm") is None:
            raise HarnessError("swtpm is not installed")
        if self._process:
            raise HarnessError("this TPM is in use")
        self.state.mkdir(parents=True, exist_ok=True)
        log = self.state.with_name(f"{self.state.name}.log")
        # The name of a socket has at most 107 bytes: not below `work`.
        self._sockets = Path(tempfile.mkdtemp(prefix="tugboot-tpm-"))
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.state}", "--log",
             f"file={log}", "--ctrl", f"type=unixio,path={self._sockets}/swtpm.ctrl",
             *(argument.format(self._sockets) for argument in arguments)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._relay = _Relay(self, self._sockets)

    def attach(self):
        """For QEMU: starts the TPM, which ends with it. Returns the path of the socket to control
        it by."""
        self._start("--terminate")
        return self._relay.listen("guest", control=True)

    def stop(self):
        """Cuts its power, whatever it was doing."""
        if self._process:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        if self._relay:
            self._relay.close()
            self._relay = None
        if self._sockets:
            shutil.rmtree(self._sockets)
            self._sockets = None

    @contextlib.contextmanager
    def powered(self):
        """It runs without a guest, started anew; the value is its TCTI for the tools. It is shut
        down in order, unless an error ends this."""
        self._start("--server", "type=unixio,path={}/swtpm", "--flags", "startup-clear")
        try:
            self._relay.listen("tools.ctrl", control=True)
            yield f"swtpm:path={self._relay.listen('tools')}"
            self.command(struct.pack(">HIIH", 0x8001, 12, 0x145, 0))  # TPM2_Shutdown(CLEAR)
        finally:
            self.stop()

    # Commands of the harness itself, while it is powered().

    def command(self, command):
        """Sends one and returns the answer; an error of the TPM is one of the harness."""
        with _connect(self._sockets / "swtpm") as sock:
            return _ask(sock, command)

    def extend(self, pcr, digests):
        """TPM2_PCR_Extend, with a digest for each bank by name."""
        values = b"".join(struct.pack(">H", _alg(bank)) + digests[bank] for bank in digests)
        # An empty password, as authorisation.
        body = struct.pack(">III", pcr, 9, 0x40000009) + bytes(5)
        body += struct.pack(">I", len(digests)) + values
        self.command(struct.pack(">HII", 0x8002, 10 + len(body), 0x182) + body)

    def extend_text(self, pcr, text):
        """The same in all banks, with the digests of a text."""
        self.extend(pcr, {b: hashlib.new(b, text.encode()).digest() for b in BANKS.values()})

    def pcr(self, bank, pcr):
        """What one holds."""
        selection = struct.pack(">IHB", 1, _alg(bank), 3) + (1 << pcr).to_bytes(3, "little")
        command = struct.pack(">HII", 0x8001, 10 + len(selection), 0x17E) + selection
        answer = self.command(command)
        # Behind the counter and the same selection: one digest.
        at = 10 + 4 + len(selection) + 4
        size = struct.unpack_from(">H", answer, at)[0]
        return answer[at + 2:at + 2 + size]

    def replay(self, machine, change=()):
        """Extends what a boot of that machine extends. change: PCRs that get one event more."""
        for pcr, _, digests in parse_log(machine.log):
            self.extend(pcr, digests)
        for (bank, pcr), value in machine.pcrs.items():
            if self.pcr(bank, pcr) != value:
                raise HarnessError(f"the event log does not lead to PCR {pcr} of {bank}")
        for pcr in change:
            self.extend_text(pcr, "something else")

    def lockout_counter(self):
        """TPM_PT_LOCKOUT_COUNTER: failures that count as an attack."""
        answer = self.command(_capability(6, 0x20E, 1))
        # Behind more-data, the capability's number, the count of properties and the property's.
        return struct.unpack_from(">I", answer, 10 + 1 + 4 + 4 + 4)[0]


def _alg(bank):
    return next(alg for alg, name in BANKS.items() if name == bank)


def _name(command):
    code = struct.unpack_from(">I", command, 6)[0]
    return COMMANDS.get(code, f"{code:#x}")


def _capability(capability, first, count):
    return struct.pack(">HIIIII", 0x8001, 22, 0x17A, capability, first, count)


def _ask(sock, command):
    sock.sendall(command)
    answer = _message(sock)
    code = struct.unpack_from(">I", answer, 6)[0]
    if code:
        raise HarnessError(f"TPM: {_name(command)}: {code:#x}")
    return answer


def _flush(sock):
    """What a resource manager does when its user is gone: a program that ends leaves sessions, of
    which a TPM has room for three. Transient objects and loaded sessions (TPM_HT)."""
    for kind in (0x80000000, 0x02000000):
        answer = _ask(sock, _capability(1, kind, 64))
        (count,) = struct.unpack_from(">I", answer, 15)
        for handle in struct.unpack_from(f">{count}I", answer, 19):
            _ask(sock, struct.pack(">HIII", 0x8001, 14, 0x165, handle))


def _connect(path):
    """A connection to swtpm, which may only just have been started."""
    end = time.monotonic() + START_SECONDS
    while True:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(str(path))
            return sock
        except OSError as error:
            sock.close()
            if time.monotonic() > end:
                raise HarnessError(f"swtpm does not start; see its log: {error}") from error
            time.sleep(0.01)


def _message(sock):
    """One command or answer, whole; empty at the end."""
    data = b""
    while len(data) < 10 or len(data) < struct.unpack_from(">I", data, 2)[0]:
        more = sock.recv(4096)
        if not more:
            return b""
        data += more
    return data


class _Relay:
    """Passes on what comes on sockets of its own to swtpm's, each connection in a thread."""

    def __init__(self, tpm, sockets):
        self.tpm = tpm
        self.sockets = sockets
        self._open = []
        self._user = 0  # process of the last tool

    def listen(self, name, control=False):
        """Begins to, for the control channel or the TPM's own."""
        path = self.sockets / name
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        self._open.append(listener)
        self._thread(self._accept, listener, control)
        return str(path)

    def close(self):
        """Ends every connection, and with it its thread."""
        for sock in self._open:
            # Wakes the thread that waits in it; it may be no longer connected.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    @staticmethod
    def _thread(target, *arguments):
        def body():
            # The other side is gone, or close() was called.
            with contextlib.suppress(OSError):
                target(*arguments)

        threading.Thread(target=body, daemon=True).start()

    def _accept(self, listener, control):
        while True:
            client, _ = listener.accept()
            server = _connect(self.sockets / ("swtpm.ctrl" if control else "swtpm"))
            self._open += [client, server]
            self._thread(self._control if control else self._tools, client, server)

    def _control(self, client, server):
        """Question and answer in turn (swtpm_ioctls(3)); QEMU sends its end of the TPM's own
        channel with one of the questions."""
        with client, server:
            while True:
                data, descriptors, _, _ = socket.recv_fds(client, 4096, 1)
                if not data:
                    return
                if descriptors:
                    ours, theirs = socket.socketpair()
                    with theirs:
                        socket.send_fds(server, [data], [theirs.fileno()])
                    guest = socket.socket(fileno=descriptors[0])
                    self._open += [guest, ours]
                    self._thread(self._commands, guest, ours)
                else:
                    server.sendall(data)
                answer = server.recv(4096)
                if not answer:
                    return
                client.sendall(answer)

    def _tools(self, client, server):
        """A connection is for one command only, as libtss2-tcti-swtpm has it."""
        (process,) = struct.unpack("i8x", client.getsockopt(socket.SOL_SOCKET, _SO_PEERCRED, 12))
        with server:
            if process != self._user:
                _flush(server)
            self._user = process
            self._commands(client, server)

    def _commands(self, client, server):
        with client:
            while command := _message(client):
                name = _name(command)
                self.tpm.commands.append(name)
                answer = self.tpm.answer and self.tpm.answer(name, command)
                if not answer:
                    server.sendall(command)
                    answer = _message(server)
                client.sendall(answer)


# What a boot leaves in the PCRs.


def parse_log(log):
    """The events of a TPM's log that extend a PCR: (pcr, type, {bank: digest}). TCG PC Client
    Platform Firmware Profile, 10: the first event is in the old form and tells the banks."""
    events = []
    if not log:
        return events
    (size,) = struct.unpack_from("<I", log, 28)
    at = 32 + size
    while at < len(log):
        pcr, kind, count = struct.unpack_from("<III", log, at)
        at += 12
        digests = {}
        for _ in range(count):
            (alg,) = struct.unpack_from("<H", log, at)
            bank = BANKS[alg]
            length = hashlib.new(bank).digest_size
            digests[bank] = log[at + 2:at + 2 + length]
            at += 2 + length
        (size,) = struct.unpack_from("<I", log, at)
        at += 4 + size
        if kind != EV_NO_ACTION:
            events.append((pcr, kind, digests))
    return events


@dataclass(frozen=True)
class Measured:
    """PCRs {(bank, number): bytes} and event log of a machine after its firmware."""

    pcrs: dict
    log: bytes

    @classmethod
    def read(cls, console):
        """From what the probe's `tpm` said."""
        found = re.findall(r"^PROBE pcr=(\w+):(\d+):([0-9A-F]+)$", console, re.MULTILINE)
        log = re.findall(r"^PROBE tpmlog=([0-9a-f]+)$", console, re.MULTILINE)
        pcrs = {(bank, int(pcr)): bytes.fromhex(value) for bank, pcr, value in found}
        return cls(pcrs, bytes.fromhex("".join(log)))

    def dump(self):
        """As text, for load()."""
        pcrs = {f"{bank}:{pcr}": value.hex() for (bank, pcr), value in self.pcrs.items()}
        return json.dumps({"pcrs": pcrs, "log": self.log.hex()})

    @classmethod
    def load(cls, text):
        """The same again."""
        data = json.loads(text)
        pcrs = {(key.split(":")[0], int(key.split(":")[1])): bytes.fromhex(value)
                for key, value in data["pcrs"].items()}
        return cls(pcrs, bytes.fromhex(data["log"]))
