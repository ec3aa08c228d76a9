# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the TPM has for the volumes of a device, asked for with Debian's tpm2-tools: here, or in a
guest that has them in its initrd.

    sealed = Sealed(token, pin=PIN)                 # a token of a LUKS2 header, or Passphrase()
    with device.enrolling() as tcti:
        secret = sealed.unseal(tcti, work)          # the bytes
    files, lines = sealed.in_guest("/t")        # the same as lines for the probe

It shares no code with Tugboot: what it knows of the policies is systemd-cryptenroll(1)'s form of
them, and DESIGN.md's of `tugboot-tpm2`. It trusts the tests.
"""

import base64
import hashlib
import json
import struct
from pathlib import Path

from . import images
from .luks import BALENA_NV
from .tools import HarnessError, run

TOOL = Path("/usr/bin/tpm2")
GUEST_TCTI = "device:/dev/tpmrm0"

PRIMARY = "restricted|decrypt|fixedtpm|fixedparent|sensitivedataorigin|userwithauth"

# Of tpm2-tools' programs, with a policy session in {d}/session. {d} is a directory of one's own.
START = "startauthsession -Q --policy-session -S {d}/session"


class _Asking:
    """A secret that the TPM gives out: `files` ({name: bytes}) and `commands` for it, which leave
    the secret in {d}/secret."""

    def __init__(self):
        self.files = {}
        self.commands = []

    def _pcr(self, bank, pcrs):
        selection = f"{bank}:{','.join(str(pcr) for pcr in pcrs)}"
        self.commands.append(f"policypcr -Q -l {selection} " "-S {d}/session")

    def _or(self, digests):
        """PolicyOR of these, in hexadecimal digits."""
        if len(digests) < 2:
            return
        for number, digest in enumerate(digests):
            self.files[f"branch{number}"] = bytes.fromhex(digest)
        names = ",".join("{d}/" + f"branch{number}" for number in range(len(digests)))
        self.commands.append("policyor -Q -S {d}/session -l sha256:" + names)

    def unseal(self, tcti, work):
        """The secret; an error of the harness when it is not given out."""
        work = Path(work)
        work.mkdir(exist_ok=True)
        for name, data in self.files.items():
            (work / name).write_bytes(data)
        for line in self.commands:
            verb, *arguments = line.format(d=work).split(" ")
            run(TOOL, verb, "-T", tcti, *arguments)
        return (work / "secret").read_bytes()

    def in_guest(self, where):
        """Files for an initrd and lines for its /etc/commands; the last is the one that gets it."""
        lines = []
        for line in self.commands:
            verb, *arguments = line.format(d=where).split(" ")
            lines.append(" ".join([str(TOOL), verb, "-T", GUEST_TCTI, *arguments]))
        # The directory is there with its first file.
        files = {".keep": b"", **self.files}
        return {f"{where}/{name}": data for name, data in files.items()}, lines


class Sealed(_Asking):
    """By a token `systemd-tpm2` or `tugboot-tpm2`."""

    def __init__(self, token, pin="", signatures=""):
        super().__init__()
        self.token = token
        blob = base64.b64decode(token["tpm2-blob"])
        size = 2 + struct.unpack_from(">H", blob)[0]
        self.files = {"private": blob[:size], "public": blob[size:]}
        own = token["type"] == "tugboot-tpm2"
        algorithm = {"ecc": "ecc256", "rsa": "rsa2048"}[token["tpm2-primary-alg"]]
        attributes = PRIMARY + ("|noda" if own else "")
        self.commands = [
            f"createprimary -Q -C o -g sha256 -G {algorithm}:aes128cfb -a {attributes} "
            "-c {d}/primary",
            "load -Q -C {d}/primary -u {d}/public -r {d}/private -c {d}/object",
            START,
        ]
        bank = token.get("tpm2-pcr-bank", "sha256")
        if token.get("tpm2_pubkey"):
            self._authorize(bank, signatures)
        if own:
            policies = token["tpm2-policies"]
            if policies:
                self._pcr(bank, policies[0]["pcrs"])
            self._or([policy["digest"] for policy in policies])
        elif token["tpm2-pcrs"]:
            self._pcr(bank, token["tpm2-pcrs"])
        auth = ""
        if pin:
            self.commands.append("policyauthvalue -Q -S {d}/session")
            auth = f"+hex:{hashlib.sha256(pin.encode()).hexdigest()}"
        self.commands.append("unseal -Q -c {d}/object -o {d}/secret -p session:{d}/session" + auth)

    def _authorize(self, bank, signatures):
        """PolicyAuthorize, with systemd's file of signatures."""
        pcrs = self.token["tpm2_pubkey_pcrs"]
        entry = next(e for e in json.loads(signatures)[bank] if e["pcrs"] == pcrs)
        self.files["key.pem"] = base64.b64decode(self.token["tpm2_pubkey"])
        self.files["signed"] = bytes.fromhex(entry["pol"])
        self.files["signature"] = base64.b64decode(entry["sig"])
        self._pcr(bank, pcrs)
        self.commands += [
            "loadexternal -Q -C o -G rsa -u {d}/key.pem -c {d}/key -n {d}/key.name",
            "verifysignature -Q -c {d}/key -g sha256 -m {d}/signed -s {d}/signature -f rsassa "
            "-t {d}/ticket",
            "policyauthorize -Q -S {d}/session -i {d}/signed -n {d}/key.name -t {d}/ticket",
        ]


class Passphrase(_Asking):
    """balena's, in the NV index."""

    def __init__(self, pcrs, branches=()):
        super().__init__()
        self.commands = [START]
        self._pcr("sha256", pcrs)
        self._or([digest.hex() for digest in branches])
        self.commands.append(f"nvread -Q {BALENA_NV} -C {BALENA_NV} "
                             "-P session:{d}/session -o {d}/secret")


def tools():
    """tpm2-tools for an initrd."""
    if not TOOL.exists():
        raise HarnessError(f"{TOOL} is missing: package tpm2-tools")
    where = Path("/lib") / run("gcc", "-print-multiarch").strip()
    loaded = where / "libtss2-tcti-device.so.0"
    files = {str(TOOL): TOOL, str(loaded): loaded}
    for program in (TOOL, loaded):
        files.update(images.libraries(program))
    return files
