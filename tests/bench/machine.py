# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the bench runs: guests whose clock is their instruction count, and what they start.

One instruction is one nanosecond of the guest's time, so its processor's counter is the number of
instructions since reset. The times of its kernel log go with the counter, once the kernel has found
out how fast that is. Guests and disks are those of the boot tests.
"""

import re
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "boot"))

# pylint: disable=wrong-import-position
from harness import Guest, HarnessError, Partition, images  # noqa: E402
from harness.guest import ICOUNT  # noqa: E402
from harness.tools import TREE, cache_dir, run  # noqa: E402

MEMORY = 1024
HERE = Path(__file__).resolve().parent
KERNEL_PACKAGE = "linux-image-cloud-amd64"

C_FLAGS = ("-std=gnu17 -Os -Wall -Wextra -Wconversion -Werror -D_GNU_SOURCE -static -s "
           "-Wl,--build-id=none").split()
NO_LIBRARY = ("-ffreestanding -nostdlib -fno-stack-protector -fno-asynchronous-unwind-tables "
              "-no-pie -fno-pie -Wl,-z,noseparate-code").split()


class Meter(Guest):
    """A guest of the bench."""

    def __init__(self, work, memory=MEMORY, count=ICOUNT, machine="q35"):
        super().__init__(work, memory)
        self._machine = machine
        self._arguments += count


def entries(kernel):
    """Offsets of a bzImage's entries in its file: as a 32-bit and a 64-bit kernel
    (Documentation/arch/x86/boot.rst) and as an EFI program (PE/COFF)."""
    protected = ((kernel[0x1F1] or 4) + 1) * 512
    (pe,) = struct.unpack_from("<I", kernel, 0x3C)
    sections, optional_size = struct.unpack_from("<H12xH", kernel, pe + 6)
    (address,) = struct.unpack_from("<I", kernel, pe + 24 + 16)
    for number in range(sections):
        at = pe + 24 + optional_size + 40 * number
        _, start, size, offset = struct.unpack_from("<IIII", kernel, at + 8)
        if start <= address < start + size:
            return {"32": protected, "64": protected + 0x200, "efi": address - start + offset}
    raise HarnessError("the kernel's EFI entry is in none of its sections")


class Programs:
    """What is compiled for the bench, in a directory of its own."""

    def __init__(self, work):
        self.work = Path(work)
        self._parts = 0
        self.meter = self.work / "meter"
        run("gcc", *C_FLAGS, *NO_LIBRARY, "-o", self.meter, HERE / "meter.c")
        self.processes = self.work / "processes"
        run("gcc", *C_FLAGS, "-o", self.processes, HERE / "processes.c")

    def root_initrd(self):
        """The initrd of a root: the meter, also by the names that rdinit= asks our own kernel for,
        since a root's kernel inherits that."""
        names = ("/init", "/bench-stamp", "/bench-processes")
        return images.cpio({name: self.meter for name in names})

    def initramfs(self, program):
        """A file: Tugboot's initramfs with one of the bench's programs added, for rdinit=."""
        path = self.work / f"initramfs-{program}"
        source = self.processes if program == "bench-processes" else self.meter
        path.write_bytes(images.initramfs_with({f"/{program}": source}))
        return path

    def stopper(self, kernel, entry):
        """A file: the kernel with a stop at one of its entries; as large, and loaded the same."""
        self._parts += 1
        code, path = self.work / "stop", self.work / f"stopper{self._parts}"
        run("gcc", "-c", "-o", f"{code}.o", HERE / "stop.S")
        run("objcopy", "-O", "binary", "-j", ".text", f"{code}.o", code)
        image = bytearray(Path(kernel).read_bytes())
        at = entries(image)[entry]
        image[at : at + code.stat().st_size] = code.read_bytes()
        path.write_bytes(image)
        return path

    def efi_image(self, linux, initrd, cmdline):
        """A file: an EFI program as the build makes tugboot.efi, of other parts."""
        self._parts += 1
        output = self.work / f"image{self._parts}.efi"
        if isinstance(initrd, bytes):
            given = self.work / f"image{self._parts}.initrd"
            given.write_bytes(initrd)
            initrd = given
        run(sys.executable, TREE / "efi-stub/efi-image", "--stub", images.STUB,
            "--linux", linux, "--initrd", initrd, "--cmdline", cmdline, "--release", "bench",
            "--os-release", "ID=bench\n", "--output", output)
        return output

    def grub(self, config):
        """GRUB as one EFI file that reads ext4, with its configuration inside."""
        path, local = self.work / "grub.efi", self.work / "grub.cfg"
        local.write_text(config, encoding="ascii")
        modules = "part_gpt ext2 linux search search_label"
        run("grub-mkstandalone", "-O", "x86_64-efi", "-o", path, "--locales=", "--fonts=",
            "--themes=", f"--install-modules={modules} normal", f"--modules={modules}",
            f"boot/grub/grub.cfg={local}")
        return path


def distribution_kernel():
    """Debian's kernel for clouds: (path, version), from its package, kept in the cache."""
    depends = run("apt-cache", "depends", "--important", KERNEL_PACKAGE)
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if not found:
        raise HarnessError(f"apt knows no package {KERNEL_PACKAGE}; run `apt-get update`")
    policy = run("apt-cache", "policy", found.group(1))
    version = re.search(r"Candidate: (\S+)", policy).group(1)
    where = cache_dir() / "bench"
    where.mkdir(parents=True, exist_ok=True)
    kept = where / f"vmlinuz-{found.group(1).removeprefix('linux-image-')}_{version}"
    if not kept.exists():
        print(f"bench: fetching {found.group(1)} {version} with apt-get", file=sys.stderr)
        work = where / "new"
        run("rm", "-rf", work)
        work.mkdir()
        # apt-get download writes to its working directory.
        run("sh", "-c", 'cd "$1" && apt-get download -q "$2" && dpkg-deb -x *.deb .', "sh", work,
            found.group(1))
        (kernel,) = (work / "boot").glob("vmlinuz*")
        kernel.rename(kept)
        run("rm", "-rf", work)
    return kept, f"{found.group(1)} {version}"


def room(kernel):
    """Bytes that a bzImage wants to unpack itself in: init_size of its header."""
    return struct.unpack_from("<I", Path(kernel).read_bytes(), 0x260)[0]


def ext4_root(work, label, files):
    """A root partition that GRUB 2.06 can read too: without the newest two features of ext4."""
    tree, image = Path(work) / f"{label}.tree", Path(work) / f"{label}.ext4"
    for path, content in files.items():
        target = tree / path.strip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.read_bytes() if isinstance(content, Path) else content)
    run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^metadata_csum_seed,^orphan_file", "-L", label,
        "-E", "root_owner=0:0", "-d", tree, image, "64M")
    return Partition("rootA", image=image, size=64)
