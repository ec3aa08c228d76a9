# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes on the disks: programs, initrds, unified kernel images, kernels that are no good.

Compiled and packed once per content; kept under the build directory.
"""

import hashlib
import os
import re
import shutil
import stat
import struct
import threading
from pathlib import Path

from .tools import BUILD, TREE, HarnessError, artifact, run

STUB = Path("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")

KEPT = BUILD / "test-images"

# As the content of a file: it is an empty directory.
DIRECTORY = object()


class Link(str):
    """As the content of a file: it is a symbolic link to this."""


def kept(name, key, make):
    """The file that `make(path)` writes, made again only when `key` is another."""
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"{name}-{hashlib.sha256(key).hexdigest()[:16]}"
    if not path.exists():
        # Two test workers, or threads of one, may make the same file: each its own, the last stays.
        mine = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_native_id()}")
        make(mine)
        mine.rename(path)
    return path


def program(name):
    """A static program of this directory's own, by the name of its source."""
    source = TREE / f"tests/boot/{name}.c"
    flags = ["-std=gnu17", "-Os", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-static", "-s",
             "-D_GNU_SOURCE", f"-I{TREE}/lib/base"]
    headers = b"".join(path.read_bytes() for path in sorted((TREE / "lib/base").glob("*.h")))

    def make(path):
        run("gcc", *flags, "-o", path, source, "-lblkid")

    return kept(name, source.read_bytes() + headers + repr(flags).encode(), make)


def library(name):
    """A shared library of this directory's own, which needs no other."""
    source = TREE / f"tests/boot/{name}.c"
    flags = ["-std=gnu17", "-Os", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-shared", "-fPIC",
             "-D_GNU_SOURCE", "-nostdlib", "-ffreestanding", "-s"]

    def make(path):
        run("gcc", *flags, "-o", path, source)

    return kept(name, source.read_bytes() + repr(flags).encode(), make)


def probe():
    """The probe: what runs in the roots of the tests."""
    return program("probe")


def measuring_app(pcr, kind, text):
    """A UEFI application that has the firmware measure one event more: see measure.c."""
    source = TREE / "tests/boot/measure.c"
    event = [f"-DPCR={pcr}", f"-DTYPE={kind}", f'-DTEXT="{text}"']
    flags = ["-std=gnu17", "-Os", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-ffreestanding",
             "-fpic", "-fno-stack-protector", "-mno-red-zone", "-fcf-protection=none",
             "-fno-asynchronous-unwind-tables", "-fno-ident"]

    def make(path):
        code = path.with_name(f"{path.name}.o")
        run("gcc", *flags, *event, "-c", "-o", code, source)
        run("ld", "-m", "i386pep", "--subsystem", "10", "-e", "efi_main", "-o", path, code)
        code.unlink()

    return kept("measure", source.read_bytes() + repr((event, flags)).encode(), make)


def tugboot_efi(cmdline):
    """Tugboot as one EFI file with a command line of its own, which says a device's policy."""
    return uki(artifact("vmlinuz"), artifact("initramfs.cpio.zst").read_bytes(), cmdline)


def libraries(program):
    """The shared libraries of a program with their paths, its loader included."""
    listing = run("ldd", program)
    return {path: Path(path) for path in re.findall(r"(/\S+) \(0x", listing)}


def tugboot_files():
    """The `tugboot` command as a root has it: at its place, with its libraries."""
    command = artifact("tugboot")
    return {"/usr/bin/tugboot": command, **libraries(command)}


def cpio(files):
    """A newc archive, as the kernel takes it; with the console's node, since the kernel opens that
    before the first program runs."""
    out = bytearray()
    inode = 0

    def entry(name, mode, data=b"", rdev=(0, 0)):
        nonlocal inode
        inode += 1
        name = name.encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(name), 0)
        out.extend(b"070701" + b"".join(b"%08X" % field for field in fields))
        for part in (name, data):
            out.extend(part)
            out.extend(b"\0" * (-len(out) % 4))

    made = set()
    for path in (*files, "/dev/console"):
        for parent in reversed(Path(path.strip("/")).parents[:-1] or ()):
            if parent not in made:
                made.add(parent)
                entry(str(parent), stat.S_IFDIR | 0o755)
        if path != "/dev/console":
            content = files[path]
            if isinstance(content, Path):
                content = content.read_bytes()
            elif isinstance(content, str):
                content = content.encode()
            entry(path.strip("/"), stat.S_IFREG | 0o755, content)
    entry("dev/console", stat.S_IFCHR | 0o600, rdev=(5, 1))
    entry("TRAILER!!!", 0)
    return bytes(out)


def initramfs_with(files):
    """Tugboot's initramfs with further files, which take the place of those of the same name."""
    image = artifact("initramfs.cpio.zst").read_bytes()
    # The kernel looks for the next archive at multiples of four.
    return image + bytes(-len(image) % 4) + cpio(files)


def probe_initrd(name="initrd", tugboot=False):
    """An initrd whose /init is the probe; it says its `name`. With the real `tugboot` command and
    its libraries where a test runs it."""
    files = {"/init": probe(), "/etc/initrd-name": name}
    if tugboot:
        files.update(tugboot_files())
    return cpio(files)


def root_kernel():
    """The kernel of a probe root: our own, because it is small and has every driver."""
    return artifact("vmlinuz")


def uki(kernel, initrd=None, cmdline=None):
    """A unified kernel image by the distribution's stub, laid out as its own tools do."""
    if not STUB.exists():
        raise HarnessError(f"{STUB} is missing: package systemd-boot-efi")
    kernel = Path(kernel).read_bytes() if isinstance(kernel, Path) else kernel
    parts = {".osrel": b'ID=probe\nNAME="Probe"\n', ".linux": kernel}
    if cmdline is not None:
        parts[".cmdline"] = cmdline.encode()
    if initrd is not None:
        parts[".initrd"] = initrd
    key = b"".join(name.encode() + hashlib.sha256(data).digest() for name, data in parts.items())

    def make(path):
        work = path.with_name(f"{path.name}.parts")
        work.mkdir()
        command = ["objcopy"]
        # Sections follow the stub's own, each on a page of its own.
        address = _end_of_sections(STUB)
        for name, data in parts.items():
            (work / name[1:]).write_bytes(data)
            command += ["--add-section", f"{name}={work / name[1:]}"]
            command += ["--change-section-vma", f"{name}={address:#x}"]
            address += len(data) + (-len(data) % 4096)
        run(*command, STUB, path)
        shutil.rmtree(work)

    return kept("uki", key, make)


def _end_of_sections(pe):
    data = pe.read_bytes()
    (header,) = struct.unpack_from("<I", data, 0x3C)
    count, optional = struct.unpack_from("<H", data, header + 6)[0], struct.unpack_from(
        "<H", data, header + 20)[0]
    (base,) = struct.unpack_from("<Q", data, header + 24 + 24)
    end = 0
    for number in range(count):
        at = header + 24 + optional + 40 * number
        size, address = struct.unpack_from("<II", data, at + 8)
        end = max(end, address + size)
    return base + end + (-end % 4096)


def hanging_kernel():
    """A kernel that is accepted and stops at its first instruction with interrupts off: only a
    watchdog ends that. Offsets: Documentation/arch/x86/boot.rst (setup_sects, 64-bit entry)."""
    image = bytearray(root_kernel().read_bytes())
    entry = ((image[0x1F1] or 4) + 1) * 512 + 0x200
    image[entry:entry + 4] = b"\xfa\xf4\xeb\xfc"  # cli; hlt; jmp to the cli
    return bytes(image)


def halting_kernel():
    """A kernel whose header is whole and whose packed rest is damaged: it is accepted, and stops
    while it unpacks itself."""
    image = bytearray(root_kernel().read_bytes())
    middle = len(image) // 2
    image[middle:middle + 4096] = b"\xa5" * 4096
    return bytes(image)


def oversized_kernel():
    """A kernel that is whole and wants three gigabytes to unpack itself in: kexec_file_load() finds
    no such place. Offset: Documentation/arch/x86/boot.rst (init_size)."""
    image = bytearray(root_kernel().read_bytes())
    image[0x260:0x264] = (3 << 30).to_bytes(4, "little")
    return bytes(image)


def truncated_kernel(keep=0.5):
    """The first part of a kernel, as a copy that a power cut ended."""
    image = root_kernel().read_bytes()
    return image[: int(len(image) * keep)]


def grub_efi(config, path):
    """GRUB as one EFI file with its configuration inside."""
    modules = "part_gpt fat linux search search_label"
    local = path.with_suffix(".cfg")
    local.write_text(config, encoding="ascii")
    run("grub-mkstandalone", "-O", "x86_64-efi", "-o", path, "--locales=", "--fonts=", "--themes=",
        f"--install-modules={modules} normal echo", f"--modules={modules}",
        f"boot/grub/grub.cfg={local}")
    return path
