# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the root's kernel is found, what it is told, and Tugboot's own initramfs as its initrd."""

import pytest

from harness import INHERITED, INITRD, LINUX, bls_entry, builtin_cmdline, cmdline, images, root

FORMS = ("uki", "bls", "extlinux", "names")


@pytest.mark.parametrize("form", FORMS)
def test_kernel_is_found_by(boot, form):
    own = "" if form == "names" else f"form={form}"
    disk = boot.disk(env={"resin_root_part": "A"}, rootA=root(form, options=own))
    run = boot(disk)
    assert run.journey == ["A normal 0/2"]
    assert run.starts[0].initrd == "initrd"
    assert run.starts[0].cmdline == cmdline(disk, "A", own=own)


@pytest.mark.parametrize("number", range(3))
def test_form_that_comes_first_is_taken(boot, number):
    first, *others = FORMS[number:]
    files = {}
    for form in others:
        files.update(root(form, options=f"form={form}").files)
    files.pop("/etc/root-name")
    mine = root(first, options=f"form={first}", size=48)
    mine.files = {**files, **mine.files}
    run = boot(boot.disk(env={}, rootA=mine))
    assert run.starts[0].value("form") == first


@pytest.mark.parametrize("number", range(3))
def test_form_that_comes_next_is_taken_when_the_first_is_no_use(boot, number):
    first, second = FORMS[number], FORMS[number + 1]
    broken = root(first, kernel=images.truncated_kernel())
    good = root(second, options=f"form={second}", size=48)
    if first != "uki" and second == "extlinux":
        # Both name the same file: the entry has to name another one.
        broken.files["/boot/loader/entries/probe.conf"] = bls_entry(linux="/boot/probe/absent")
    good.files = {**broken.files, **good.files}
    run = boot(boot.disk(env={}, rootA=good))
    assert run.journey == ["A normal 0/2"]
    assert run.starts[0].value("form") == (None if second == "names" else second)


def test_uki_is_found_in_the_efi_directory_too(boot):
    image = images.uki(images.root_kernel(), images.probe_initrd("efi"), "form=efi")
    disk = boot.disk(env={}, rootA=root("none", files={"/EFI/Linux/probe.efi": image}))
    run = boot(disk)
    assert run.starts[0].initrd == "efi"
    assert run.starts[0].cmdline == cmdline(disk, "A", own="form=efi")


def _pe32(image):
    """The same program as one of 32 bits, as far as its headers say."""
    image = bytearray(image)
    header = int.from_bytes(image[0x3C:0x40], "little")
    image[header + 4:header + 6] = (0x14C).to_bytes(2, "little")  # i386
    image[header + 24:header + 26] = (0x10B).to_bytes(2, "little")  # PE32
    return bytes(image)


@pytest.mark.parametrize("program", [
    images.STUB.read_bytes, lambda: _pe32(images.STUB.read_bytes()), images.root_kernel,
], ids=["no_kernel_in_it", "32_bits", "a_kernel_alone"])
def test_trial_is_not_spoilt_by_an_efi_program_in_boot_that_has(boot, program):
    # As Debian's memtest86+ leaves them there.
    mine = root("names", files={"/boot/memtest86+.efi": program()})
    disk = boot.disk(
        env={"resin_root_part": "B", "upgrade_available": "1"}, rootA=root(), rootB=mine
    )
    run = boot(disk)
    assert run.journey == ["B trial 1/2"]
    assert run.starts[0].initrd == "initrd"


def test_newest_of_several_kernels_is_taken(boot):
    files = {}
    for version in ("6.1.0-9", "6.1.0-10", "5.10.0-99"):
        files[f"/boot/vmlinuz-{version}"] = images.root_kernel()
        files[f"/boot/initrd.img-{version}"] = images.probe_initrd(version)
    run = boot(boot.disk(env={}, rootA=root("none", files=files)))
    assert run.starts[0].initrd == "6.1.0-10"


def test_older_kernel_is_taken_when_the_newest_is_truncated(boot):
    files = {
        "/boot/vmlinuz-6.1.0-10": images.truncated_kernel(),
        "/boot/initrd.img-6.1.0-10": images.probe_initrd("new"),
        "/boot/vmlinuz-6.1.0-9": images.root_kernel(),
        "/boot/initrd.img-6.1.0-9": images.probe_initrd("old"),
    }
    run = boot(boot.disk(env={}, rootA=root("none", files=files), rootB=root()))
    assert run.journey == ["A normal 0/2"]
    assert run.starts[0].initrd == "old"


@pytest.mark.parametrize("name, initrd", [
    ("vmlinuz", "initrd.img"),
    ("bzImage", "initramfs.img"),
    ("vmlinuz-6.1.0-probe", "initramfs-6.1.0-probe.img"),
])
def test_conventional_names_are_known(boot, name, initrd):
    files = {f"/boot/{name}": images.root_kernel(), f"/boot/{initrd}": images.probe_initrd(initrd)}
    run = boot(boot.disk(env={}, rootA=root("none", files=files)))
    assert run.starts[0].initrd == initrd


def test_newest_of_several_entries_is_taken(boot):
    files = {
        f"/boot/loader/entries/probe-{number}.conf": bls_entry(f"entry={number}")
        for number in (9, 10, 2)
    }
    mine = root(files={**files, "/boot/loader/entries/probe.conf": None})
    assert boot(boot.disk(env={}, rootA=mine)).starts[0].value("entry") == "10"


def test_conventional_kernel_may_be_a_symbolic_link(boot):
    # As Yocto leaves it.
    mine = root("names", files={"/boot/vmlinuz": images.Link("vmlinuz-6.1.0-probe")})
    assert boot(boot.disk(env={}, rootA=mine)).starts[0].initrd == "initrd"


# The command line.


@pytest.mark.parametrize("form", ["uki", "bls", "extlinux"])
def test_quoted_parameters_arrive_as_they_were_written_by(boot, form):
    own = 'first="one  two" "second=three four" third=it\'s quiet'
    disk = boot.disk(env={}, rootA=root(form, options=own))
    run = boot(disk)
    assert run.starts[0].cmdline == cmdline(disk, "A", own=own)


def test_parameters_of_tugboot_itself_are_not_handed_on(boot):
    disk = boot.disk(env={}, rootA=root(options="mine=1"))
    run = boot(disk, append="tugboot.wait=20 maxcpus=0 nr_cpus=1 root=/dev/nowhere theirs=2")
    assert run.starts[0].cmdline == cmdline(disk, "A", own="mine=1",
                                            inherited=f"{INHERITED} theirs=2")


def test_root_that_a_slot_names_in_its_own_options_is_replaced(boot):
    disk = boot.disk(env={}, rootA=root(options="root=/dev/sda1 mine=1 tugboot.slot=B initrd=x"))
    run = boot(disk)
    assert run.starts[0].cmdline == cmdline(disk, "A", own="mine=1")


def test_slot_may_say_what_a_panic_does(boot):
    disk = boot.disk(env={}, rootA=root(options="panic=3"))
    run = boot(disk)
    assert run.starts[0].cmdline == cmdline(disk, "A", own="panic=3", panic=False)


def test_extra_options_of_the_environment_are_added(boot):
    disk = boot.disk(
        env={"resin_root_part": "A", "extra_os_cmdline": "extra=1 more=\"a b\""},
        rootA=root(options="mine=1"),
    )
    run = boot(disk)
    assert run.starts[0].cmdline == cmdline(disk, "A", own='mine=1 extra=1 more="a b"')


def test_second_stage_of_balena_is_a_boot_role(boot):
    disk = boot.disk(env={}, rootA=root())
    run = boot(disk, role="balena_stage2")
    assert run.starts[0].cmdline == cmdline(disk, "A")


def _own_options(disk, slot, length):
    """Own options that make the whole line, with what our own kernel has built in, that long."""
    own = "long="
    whole = len(f"{builtin_cmdline()} ".lstrip() + cmdline(disk, slot, own=own))
    return own + "x" * (length - whole)


def test_longest_command_line_that_a_kernel_takes_arrives_whole(boot):
    plain = boot.disk(env={}, rootA=root())
    own = _own_options(plain, "A", 2047)
    disk = boot.disk(env={}, rootA=root(options=own))
    run = boot(disk)
    assert run.starts[0].cmdline == cmdline(disk, "A", own=own)


@pytest.mark.parametrize("length", [2100, 4000, 9000])
def test_slot_whose_command_line_is_too_long_is_refused(boot, length):
    disk = boot.disk(
        env={"resin_root_part": "B"}, rootA=root(), rootB=root(options="long=" + "x" * length)
    )
    assert boot(disk).journey == ["A fallback 0/2"]


def test_extra_options_that_do_not_fit_are_left_out(boot):
    extra = "extra=" + "x" * 900
    own = "mine=" + "y" * 1200
    disk = boot.disk(
        env={"resin_root_part": "B", "extra_os_cmdline": extra}, rootA=root(),
        rootB=root(options=own),
    )
    run = boot(disk)
    assert run.starts[0].cmdline == cmdline(disk, "B", own=own)
    assert run.said(r"^command-line found=.*extra_os_cmdline out")


def test_inherited_options_that_do_not_fit_are_left_out(boot):
    own = "console=ttyS0,115200 mine=" + "y" * 1500
    disk = boot.disk(env={"resin_root_part": "B"}, rootA=root(), rootB=root(options=own))
    run = boot(disk, append="theirs=" + "z" * 400)
    assert run.starts[0].cmdline == cmdline(disk, "B", own=own, inherited="")


# The OS role: Tugboot's initramfs mounts the root and switches to it.


@pytest.mark.parametrize("fs", ["ext4", "squashfs", "erofs"])
def test_root_without_an_initrd_may_ask_for_tugboots(boot, fs):
    disk = boot.disk(env={}, rootA=root(os_role=True, fs=fs, files={
        "/boot/loader/entries/probe.conf": bls_entry("mine=1", initrd=False,
                                                     more="tugboot-initrd yes\n"),
    }))
    run = boot(disk)
    start = run.starts[0]
    assert (start.role, start.root) == ("init", "disk1:rootA")
    assert start.cmdline == cmdline(disk, "A", own="mine=1")
    mounted = next(m for m in start.mounts if " / " in m and not m.startswith("rootfs"))
    assert mounted.startswith(f"/dev/vda2 / {fs} ro")


def test_tugboots_initrd_waits_for_a_slow_disk(boot):
    entry = bls_entry(initrd=False, more="tugboot-initrd yes\n")
    disk = boot.disk(
        env={}, rootA=root(os_role=True, files={"/boot/loader/entries/probe.conf": entry})
    )
    run = boot(disk, kind="usb")
    assert (run.starts[0].role, run.starts[0].root) == ("init", "disk1:rootA")


def test_root_with_a_conventional_kernel_may_ask_for_tugboots_initrd(boot):
    disk = boot.disk(env={}, rootA=root("names", os_role=True, files={"/boot/tugboot-initrd": ""}))
    run = boot(disk)
    assert (run.starts[0].role, run.starts[0].root) == ("init", "disk1:rootA")


def test_extlinux_label_may_ask_for_tugboots_initrd(boot):
    disk = boot.disk(env={}, rootA=root("none", os_role=True, files={
        LINUX: images.root_kernel(),
        "/boot/extlinux/extlinux.conf": f"LABEL probe\n  LINUX {LINUX}\n  TUGBOOT-INITRD yes\n",
    }))
    run = boot(disk)
    assert (run.starts[0].role, run.starts[0].root) == ("init", "disk1:rootA")


def test_trial_in_the_os_role_is_called_good(boot):
    entry = bls_entry(initrd=False, more="tugboot-initrd yes\n")
    disk = boot.disk(
        env={"resin_root_part": "B", "upgrade_available": "1"},
        rootA=root(),
        rootB=root(os_role=True, probe="good", tugboot=True, size=40,
                   files={"/boot/loader/entries/probe.conf": entry}),
    )
    run = boot(disk)
    assert run.journey == ["B trial 1/2"]
    assert disk.env()["upgrade_available"] == "0"
    assert boot(disk).journey == ["B normal 0/2"]


def test_trial_in_the_os_role_without_an_init_is_given_up(boot):
    entry = bls_entry("panic=1", initrd=False, more="tugboot-initrd yes\n")
    disk = boot.disk(
        env={"resin_root_part": "B", "upgrade_available": "1", "bootlimit": "1"},
        rootA=root(),
        rootB=root(os_role=True, files={"/boot/loader/entries/probe.conf": entry,
                                        "/sbin/init": None}),
    )
    assert boot(disk, resets=1).journey == ["A rollback 0/1"]


def test_entry_may_name_several_initrds(boot):
    tail = images.cpio({"/etc/initrd-name": "the second one"})
    entry = bls_entry(more="initrd /boot/probe/tail\n")
    disk = boot.disk(env={}, rootA=root(files={
        "/boot/loader/entries/probe.conf": entry, "/boot/probe/tail": tail,
    }))
    assert boot(disk).starts[0].initrd == "the second one"


def test_paths_of_an_entry_may_lead_from_the_boot_directory(boot):
    # As they are written for a /boot of its own.
    entry = bls_entry(linux=LINUX.removeprefix("/boot"), initrd=INITRD.removeprefix("/boot"))
    disk = boot.disk(env={}, rootA=root(files={"/boot/loader/entries/probe.conf": entry}))
    assert boot(disk).journey == ["A normal 0/2"]
