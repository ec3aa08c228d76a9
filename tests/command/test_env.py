# SPDX-License-Identifier: LGPL-2.1-or-later
"""`tugboot env`, and what all verbs have in common."""

import fcntl
import os
import subprocess

import pytest
from conftest import IS_ROOT, SIZE, block, can_unshare


def test_set_makes_the_file_and_get_reads_it(boot):
    done = boot.run("env", "set", "a=1", "b=x y=z")
    assert (done.status, done.out, done.err) == (0, "", "")
    assert boot.variables() == {"a": "1", "b": "x y=z"}
    done = boot.run("env", "get", "b")
    assert (done.status, done.out, done.err) == (0, "x y=z\n", "")


def test_list_shows_variables_in_their_order(boot):
    boot.give(z="1", a="2", m="")
    done = boot.run("env", "list")
    assert (done.status, done.out, done.err) == (0, "z=1\na=2\nm=\n", "")


def test_unset_removes_and_is_content_with_what_is_not_there(boot):
    boot.give(a="1", b="2", c="3")
    assert boot.run("env", "unset", "a", "c", "never-was").status == 0
    assert boot.variables() == {"b": "2"}


def test_values_with_newlines_and_backslashes_come_back(boot):
    value = "one\ntwo\\three\\"
    assert boot.run("env", "set", f"a={value}", "b=1").status == 0
    assert boot.run("env", "get", "a").out == value + "\n"
    assert boot.run("env", "get", "b").out == "1\n"


def test_all_variables_of_a_set_are_one_write(boot):
    boot.give(a="1", b="2")
    assert boot.run("env", "set", "a=2").status == 0  # makes the copy
    done = boot.run("env", "set", "a=3", "b=4", "c=5", "d=6")
    # The copy, pending; the environment; the copy's mark: a sector each.
    assert (done.status, done.writes) == (0, 3)
    assert done.bytes_written == 3 * SIZE // 2
    assert boot.variables() == {"a": "3", "b": "4", "c": "5", "d": "6"}


def test_what_changes_nothing_is_not_written(boot):
    boot.give(a="1")
    done = boot.run("env", "set", "a=1")
    assert (done.status, done.writes) == (0, 0)
    done = boot.run("env", "unset", "b")
    assert (done.status, done.writes) == (0, 0)


def test_reading_writes_nothing(boot):
    boot.file.write_bytes(b"a=1\n")
    for verb in (["env", "list"], ["env", "get", "a"], ["status"], ["status", "--json"]):
        done = boot.run(*verb)
        assert done.status == 0
        assert done.bytes_written == len((done.out + done.err).encode())
    assert boot.file.read_bytes() == b"a=1\n"


def test_get_of_what_is_not_set_fails(boot):
    boot.give(a="1")
    done = boot.run("env", "get", "b")
    assert (done.status, done.out, done.err) == (1, "", "tugboot: b is not set\n")


def test_a_set_that_does_not_fit_changes_nothing(boot):
    boot.give(a="1")
    before = boot.file.read_bytes()
    done = boot.run("env", "set", "a=2", "b=" + "x" * 1000)
    assert (done.status, done.writes) == (1, 1)  # the message
    assert "full" in done.err and "tugboot env unset" in done.err
    assert boot.file.read_bytes() == before


@pytest.mark.parametrize("name", ["", "#a", "a\nb"])
def test_a_name_that_cannot_be_held_is_refused(boot, name):
    boot.give(a="1")
    before = boot.file.read_bytes()
    done = boot.run("env", "set", "a=2", f"{name}=1")
    assert done.status == 1
    assert "a name is one line" in done.err
    assert boot.file.read_bytes() == before


def test_a_name_may_start_with_a_dash(boot):
    assert boot.run("env", "set", "--", "-a=1").status == 0
    assert boot.run("env", "get", "--", "-a").out == "1\n"


@pytest.mark.parametrize(
    "data, problem",
    [
        (b"", "empty"),
        (block(a="1")[:-1], "shorter than 1024 bytes"),
        (block(a="1") + b"\n", "longer than 1024 bytes"),
        (b"a=1\n".ljust(1024, b"#"), "no GRUB signature"),
        (block(a="1").rstrip(b"#\n").ljust(1024, b"#"), "last line has no end"),
    ],
)
def test_a_damaged_file_is_read_with_a_warning_and_repaired(boot, data, problem):
    boot.file.write_bytes(data)
    done = boot.run("env", "list")
    assert done.status == 0
    assert done.err.startswith("tugboot: warning: ") and problem in done.err
    assert boot.run("env", "set", "b=2").status == 0
    assert boot.variables()["b"] == "2"
    done = boot.run("env", "list")
    assert (done.status, done.err) == (0, "")


def test_grubenv_is_used_where_there_is_no_bootenv(boot):
    (boot.dir / "grubenv").write_bytes(block(a="1"))
    assert boot.run("env", "set", "a=2").status == 0
    assert (boot.dir / "grubenv").read_bytes() == block(a="2")
    assert not boot.file.exists()


@pytest.mark.parametrize("kind", ["symlink", "directory", "fifo"])
def test_what_is_no_file_is_named(boot, kind):
    (boot.dir / "elsewhere").write_bytes(block(a="1"))
    if kind == "symlink":
        boot.file.symlink_to("elsewhere")
    elif kind == "directory":
        boot.file.mkdir()
    else:
        os.mkfifo(boot.file)
    for verb in (["env", "list"], ["env", "get", "a"], ["env", "set", "a=2"], ["slot", "try", "B"]):
        done = boot.run(*verb)
        assert (done.status, done.out) == (1, "")
        assert "bootenv" in done.err and "remove it" in done.err
    assert (boot.dir / "elsewhere").read_bytes() == block(a="1")


def test_a_read_only_mount_is_named_with_the_way_out(boot):
    if not can_unshare():
        pytest.skip("no mount namespace here: neither root nor user namespaces")
    boot.give(a="1")
    boot.read_only = True
    assert boot.run("env", "get", "a").out == "1\n"
    done = boot.run("env", "set", "a=2")
    assert done.status == 1
    assert f"mount -o remount,rw {boot.dir}" in done.err
    assert boot.file.read_bytes() == block(a="1")


def test_without_permission_it_says_so(boot):
    boot.give(a="1")
    boot.file.chmod(0o444)
    # Root without the capability to pass over permissions.
    prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if IS_ROOT else []
    assert boot.run("env", "get", "a", prefix=prefix).out == "1\n"
    done = boot.run("env", "set", "a=2", prefix=prefix)
    assert done.status == 1
    assert "no permission" in done.err
    assert boot.file.read_bytes() == block(a="1")


def test_writers_wait_for_each_other(boot):
    boot.give(a="1")
    fd = os.open(boot.dir, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with subprocess.Popen([*boot.command, "env", "set", "b=2"]) as writer:
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(0.5)
        assert boot.run("env", "get", "a").out == "1\n"  # readers do not wait
        assert boot.file.read_bytes() == block(a="1")
        boot.give(a="theirs")
        os.close(fd)
        assert writer.wait(10) == 0
    assert boot.variables() == {"a": "theirs", "b": "2"}


def test_a_directory_that_is_not_there_is_named(boot):
    boot.dir = boot.dir / "nowhere"
    done = boot.run("env", "list")
    assert done.status == 1
    assert "nowhere" in done.err and "No such file" in done.err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["env"],
        ["env", "nonsense"],
        ["env", "get"],
        ["env", "get", "a", "b"],
        ["env", "set"],
        ["env", "set", "a"],
        ["env", "set", "a=1", "b"],
        ["env", "unset"],
        ["env", "unset", "a=1"],
        ["env", "list", "a"],
        ["env", "list", "--json"],
        ["env", "list", "--force"],
        ["slot"],
        ["slot", "try"],
        ["slot", "try", "C"],
        ["slot", "try", "A", "B"],
        ["slot", "good", "A"],
        ["slot", "switch", "ab"],
        ["status", "B"],
        ["--nonsense"],
        ["--boot"],
    ],
)
def test_wrong_usage_is_said_and_changes_nothing(boot, words):
    boot.give(a="0")
    done = boot.run(*words)
    assert (done.status, done.out) == (2, "")
    assert done.err.endswith("Try 'tugboot --help'.\n")
    assert boot.file.read_bytes() == block(a="0")


def test_help_and_version_need_nothing(boot):
    done = boot.run("--help", boot=False)
    assert (done.status, done.err) == (0, "")
    for word in ("status", "env list", "slot try", "--boot", "--json", "--force"):
        assert word in done.out
    done = boot.run("--version", boot=False)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("tugboot ")


def test_a_full_standard_output_is_a_failure(boot):
    boot.give(a="1")
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([*boot.command, "env", "list"], stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False)
    assert done.returncode == 1
    assert "No space left" in done.stderr


def test_migration_keeps_every_variable_and_a_way_back(boot):
    boot.give(resin_root_part="B", extra_os_cmdline="a \\ b", bootcount="12")
    before = boot.run("env", "list").out
    for kind, name in (("uboot-text", "resinOS_uEnv.txt"), ("uboot", "uboot-redund.env"),
                       ("grub", "bootenv")):
        done = boot.run("env", "migrate", kind)
        assert done.status == 0 and f"kept as {kind} in {name}" in done.out
        assert sorted(boot.run("env", "list").out.splitlines()) == sorted(before.splitlines())
    assert boot.run("env", "migrate", "raw").status == 1
    done = boot.run("env", "migrate", "paper")
    assert done.status == 2 and "grub, uboot-text, uboot and raw" in done.err
