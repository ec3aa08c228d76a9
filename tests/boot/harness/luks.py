# SPDX-License-Identifier: LGPL-2.1-or-later
"""Encrypted partitions, made without root and without a mapping, and what enrols them.

    rootA=root(luks=Luks())              # boot.disk(): the filesystem inside, LUKS2 around it

The header is cryptsetup's, with a volume key that is known here; the contents are encrypted by
OpenSSL, sector by sector as dm-crypt does it. A new volume has one key slot, of `PASSPHRASE`: it is
there for enrolling, by the tools below, and is removed by `seal()`, as an installer would do it.

    with disk.header("rootA") as volume:     # a file to work on; written back at the end
        enrol_systemd(volume, tcti, pcrs=(0, 7))
        seal(volume)

It trusts the tests.
"""

import base64
import contextlib
import ctypes
import ctypes.util
import functools
import hashlib
import json
import os
import struct
import subprocess
import tempfile
import uuid as uuids
from dataclasses import dataclass, field
from pathlib import Path

from . import images
from .tools import HarnessError, run

MB = 1 << 20
SECTOR = 512

# Of the slot for enrolling.
PASSPHRASE = "provisioning"

# What a header with its key slots takes here. cryptsetup's own choice is 16 MiB.
HEADER = 4 * MB

# As balena has it.
BALENA_NV = "0x1500000"


@dataclass
class Luks:
    """What encrypts a partition."""

    label: str = ""  # of the header
    uuid: str = field(default_factory=lambda: str(uuids.uuid4()))
    key: bytes = field(default_factory=lambda: os.urandom(64))
    cipher: str = "aes-xts-plain64"
    sector_size: int = 4096
    type: str = "luks2"
    more: tuple = ()  # arguments for cryptsetup luksFormat

    def write(self, plain, image, size):
        """Makes the partition, of `size` bytes, in the file `image`; `plain` is its contents."""
        with open(image, "wb") as made:
            made.truncate(size)
        with _secret(self.key) as key:
            run("cryptsetup", "luksFormat", image, "--batch-mode", "--type", self.type, "--cipher",
                self.cipher, "--key-size", str(8 * len(self.key)), "--volume-key-file", key,
                "--uuid", self.uuid, *FAST, *self._format_arguments(), *self.more, "--key-file=-",
                input=PASSPHRASE)
        if self.cipher == "aes-xts-plain64":
            encrypt(self.key, plain, image, HEADER, self.sector_size)

    def _format_arguments(self):
        arguments = ["--offset", str(HEADER // SECTOR)]
        if self.type == "luks2":
            arguments += ["--sector-size", str(self.sector_size), "--luks2-metadata-size", "16k",
                          "--luks2-keyslots-size", "3m"]
            arguments += ["--label", self.label] if self.label else []
        return arguments


# The slot is there for a moment, and its strength nobody's protection.
FAST = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")


@contextlib.contextmanager
def _secret(data):
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        yield file.name


# Contents.


@functools.cache
def _libcrypto():
    name = ctypes.util.find_library("crypto")
    if not name:
        raise HarnessError("libcrypto is missing")
    library = ctypes.CDLL(name)
    library.EVP_CIPHER_CTX_new.restype = ctypes.c_void_p
    library.EVP_aes_256_xts.restype = ctypes.c_void_p
    pointer = ctypes.c_void_p
    library.EVP_CipherInit_ex.argtypes = [pointer, pointer, pointer, pointer, pointer, ctypes.c_int]
    library.EVP_CipherUpdate.argtypes = [pointer, pointer, pointer, pointer, ctypes.c_int]
    library.EVP_CIPHER_CTX_free.argtypes = [pointer]
    return library


def xts(key, data, sector_size, first=0, encrypting=True):
    """AES-XTS as dm-crypt's aes-xts-plain64 has it: the tweak is the number of the sector, counted
    in units of 512 bytes from the start of the contents."""
    library = _libcrypto()
    context = library.EVP_CIPHER_CTX_new()
    out = ctypes.create_string_buffer(sector_size)
    length = ctypes.c_int()
    made = []
    direction = int(encrypting)
    library.EVP_CipherInit_ex(context, library.EVP_aes_256_xts(), None, key, None, direction)
    for at in range(0, len(data), sector_size):
        tweak = struct.pack("<QQ", first + at // SECTOR, 0)
        library.EVP_CipherInit_ex(context, None, None, None, tweak, direction)
        if not library.EVP_CipherUpdate(context, out, ctypes.byref(length),
                                        data[at:at + sector_size], sector_size):
            raise HarnessError("libcrypto does not encrypt")
        made.append(out.raw)
    library.EVP_CIPHER_CTX_free(context)
    return b"".join(made)


def encrypt(key, plain, image, at, sector_size):
    """Writes the contents of the file `plain`, encrypted, behind a header."""
    data = Path(plain).read_bytes()
    data += bytes(-len(data) % sector_size)
    with open(image, "r+b") as made:
        made.seek(at)
        made.write(xts(key, data, sector_size))


# Enrolling. `volume` is a file as disk.header() gives it, `tcti` what Tpm.powered() gives.


def _systemd_cryptenroll(volume, *arguments, **environment):
    done = subprocess.run(
        ["systemd-cryptenroll", *arguments, str(volume)], text=True, capture_output=True,
        check=False,
        env={**os.environ, "PASSWORD": PASSPHRASE, "SYSTEMD_LOG_LEVEL": "info", **environment},
    )
    if done.returncode:
        raise HarnessError(f"systemd-cryptenroll {' '.join(arguments)}:\n{done.stderr}")
    return done.stdout


def _plus(pcrs):
    return "+".join(str(pcr) for pcr in pcrs)


def enrol_systemd(volume, tcti, pcrs=(), pin=None, public_key=None, public_key_pcrs=(11,)):
    """By systemd-cryptenroll: a key slot for this TPM."""
    arguments = [f"--tpm2-device={tcti}", f"--tpm2-pcrs={_plus(pcrs)}"]
    environment = {}
    if public_key:
        arguments += [f"--tpm2-public-key={public_key}",
                      f"--tpm2-public-key-pcrs={_plus(public_key_pcrs)}"]
    else:
        # Or it would look for a key of this machine's.
        arguments += ["--tpm2-public-key-pcrs="]
    if pin:
        arguments += ["--tpm2-with-pin=yes"]
        environment["NEWPIN"] = pin
    _systemd_cryptenroll(volume, *arguments, **environment)


def enrol_recovery(volume):
    """By systemd-cryptenroll: a recovery key, which is returned."""
    return _systemd_cryptenroll(volume, "--recovery-key").strip().splitlines()[-1].strip()


def enrol_balena(volume, passphrase):
    """balena's form: a key slot of the passphrase that is in the TPM; no token says so."""
    with _secret(passphrase) as new:
        # Argon2id as cryptsetup chooses it, but with less memory than a guest has.
        run("cryptsetup", "luksAddKey", volume, new, "--batch-mode", "--key-file=-", "--pbkdf",
            "argon2id", "--pbkdf-force-iterations", "4", "--pbkdf-memory", "65536",
            "--pbkdf-parallel", "1", input=PASSPHRASE)


def write_balena(tcti, passphrase, pcrs, branches=()):
    """The passphrase in the TPM, to be read under PolicyPCR of what the PCRs are now; with
    `branches`, digests of further such policies, under PolicyOR of all of them. Returns the digest
    of the first."""
    selection = f"sha256:{','.join(str(pcr) for pcr in pcrs)}"
    with tempfile.TemporaryDirectory() as work:
        session, policy = f"{work}/session", f"{work}/policy"
        run("tpm2_startauthsession", "-T", tcti, "-S", session)
        run("tpm2_policypcr", "-T", tcti, "-S", session, "-l", selection, "-L", policy)
        digest = Path(policy).read_bytes()
        if branches:
            names = []
            for number, branch in enumerate((digest, *branches)):
                names.append(f"{work}/branch{number}")
                Path(names[-1]).write_bytes(branch)
            run("tpm2_policyor", "-T", tcti, "-S", session, "-L", policy,
                f"sha256:{','.join(names)}")
        run("tpm2_flushcontext", "-T", tcti, session)
        run("tpm2_nvdefine", "-T", tcti, BALENA_NV, "-C", "o", "-s", len(passphrase), "-L", policy,
            "-a", "ownerwrite|policyread")
        with _secret(passphrase) as file:
            run("tpm2_nvwrite", "-T", tcti, BALENA_NV, "-C", "o", "-i", file)
    return digest


def policy_pcr(values, digest=bytes(32)):
    """The digest after TPM2_PolicyPCR of {PCR: SHA-256 value}: TPM 2.0 Library part 3, 23.7."""
    bits = sum(1 << pcr for pcr in values).to_bytes(3, "little")
    selection = struct.pack(">IHB", 1, 0xB, 3) + bits
    held = hashlib.sha256(b"".join(values[pcr] for pcr in sorted(values))).digest()
    return hashlib.sha256(digest + struct.pack(">I", 0x17F) + selection + held).digest()


def make_key(work, name="signing"):
    """An RSA key for signed policies: (private, public), in PEM files."""
    private, public = Path(work) / f"{name}.pem", Path(work) / f"{name}-public.pem"
    run("openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
        "-out", private)
    run("openssl", "pkey", "-in", private, "-pubout", "-out", public)
    return private, public


def sign_policy(private, public, values):
    """systemd's file of signatures: one of a policy of these PCRs {number: SHA-256 value}, as
    systemd-measure(1) makes it."""
    policy = policy_pcr(values)
    with _secret(policy) as file, tempfile.NamedTemporaryFile() as out:
        run("openssl", "dgst", "-sha256", "-sign", private, "-out", out.name, file)
        signature = Path(out.name).read_bytes()
    with tempfile.NamedTemporaryFile() as out:
        run("openssl", "rsa", "-pubin", "-in", public, "-RSAPublicKey_out", "-outform", "DER",
            "-out", out.name)
        fingerprint = hashlib.sha256(Path(out.name).read_bytes()).hexdigest()
    entry = {"pcrs": sorted(values), "pkfp": fingerprint, "pol": policy.hex(),
             "sig": base64.b64encode(signature).decode()}
    return json.dumps({"sha256": [entry]})


def seal(volume):
    """Removes the slot for enrolling."""
    run("cryptsetup", "luksRemoveKey", volume, "--batch-mode", "--key-file=-", input=PASSPHRASE)


# Opening, by what Debian has.

SYSTEMD_CRYPTSETUP = "/lib/systemd/systemd-cryptsetup"
# What that loads while it runs: the TPM's library by name, its token handler by libcryptsetup.
_LOADED = ("libtss2-esys.so.0", "libtss2-rc.so.0", "libtss2-mu.so.0", "libtss2-tcti-device.so.0",
           "cryptsetup/libcryptsetup-token-systemd-tpm2.so")


def systemd_initrd(commands, files=None):
    """An initrd with the probe, systemd-cryptsetup and all that it needs: the probe runs the
    commands before it looks for the root."""
    tree = {"/init": images.probe(), "/etc/initrd-name": "systemd", "/run/.keep": b"",
            "/tmp/.keep": b"", SYSTEMD_CRYPTSETUP: Path(SYSTEMD_CRYPTSETUP)}
    where = Path("/lib") / run("gcc", "-print-multiarch").strip()
    loaded = [where / name for name in _LOADED]
    for program in (SYSTEMD_CRYPTSETUP, *loaded):
        if not Path(program).exists():
            raise HarnessError(f"{program} is missing")
        tree.update(images.libraries(program))
    tree.update({str(path): path for path in loaded})
    tree["/etc/commands"] = "".join(f"{command}\n" for command in commands)
    return images.cpio({**tree, **(files or {})})


def attach(device, options="", key="-", name="root"):
    """The command of such an initrd that opens a volume as /dev/mapper/NAME."""
    return f"{SYSTEMD_CRYPTSETUP} attach {name} {device} {key} {options}".strip()


# Tokens and what else a header says, to look at and to tamper with.


def metadata(volume):
    """The header's JSON, parsed."""
    return json.loads(run("cryptsetup", "luksDump", "--dump-json-metadata", volume))


def tokens(volume, kind=None):
    """{number: token}, of one type when that is said."""
    found = metadata(volume)["tokens"]
    return {int(number): token for number, token in found.items()
            if kind is None or token["type"] == kind}


def set_token(volume, token, number=None):
    """Adds a token, or replaces one."""
    place = [] if number is None else ["--token-id", number, "--token-replace"]
    run("cryptsetup", "token", "import", *place, volume, "--json-file=-",
        input=json.dumps(token))


def write_metadata(volume, change):
    """Rewrites both copies of the header with what `change(json)` makes of it, whatever that is:
    cryptsetup would refuse to. LUKS2 On-Disk Format, 2.1: the checksum is over the binary header,
    with zeros for itself, and the JSON area."""
    with open(volume, "r+b") as file:
        for copy in range(2):
            file.seek(copy * HEADER_COPY)
            header = bytearray(file.read(HEADER_COPY))
            data = json.loads(header[4096:].split(b"\0", 1)[0])
            change(data)
            text = json.dumps(data, separators=(",", ":")).encode()
            if len(text) >= HEADER_COPY - 4096:
                raise HarnessError("the header has no room for that")
            header[4096:] = text.ljust(HEADER_COPY - 4096, b"\0")
            header[CHECKSUM] = bytes(64)
            header[CHECKSUM] = hashlib.sha256(header).digest().ljust(64, b"\0")
            file.seek(copy * HEADER_COPY)
            file.write(header)


HEADER_COPY = 16384
CHECKSUM = slice(448, 512)
