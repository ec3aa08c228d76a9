# SPDX-License-Identifier: LGPL-2.1-or-later
"""`tugboot config`: keys of config.json read, changed and judged, in a directory as boot partition."""

import json
import os
import re
import subprocess
import threading
from pathlib import Path

import pytest
from conftest import TREE, TUGBOOT

CASES = TREE / "tests" / "data" / "config" / "cases"
PAGE = TREE / "docs" / "tugboot-config.5.scd"
PRETTY = '{\n  "deviceId": 12345678901234567890123,\n  "os": {\n    "network": {}\n  },\n  "f": 1.50\n}\n'


@pytest.fixture
def config(boot):
    """Runs `tugboot config` there."""

    class Config:
        file = boot.dir / "config.json"

        @staticmethod
        def run(*words, text=None):
            return subprocess.run([*boot.command, "config", *words], input=text, text=True,
                                  capture_output=True, check=False, timeout=60)

        def give(self, text):
            self.file.write_text(text, encoding="utf-8")

        def json(self):
            return json.loads(self.file.read_text(encoding="utf-8"))

    return Config()


def hand_made():
    """Name, text and what is to be said of each, see tests/unit/test_config.c."""
    for case in CASES.read_text(encoding="utf-8").removeprefix("== ").split("\n\n== "):
        name, rest = case.split("\n", 1)
        text, *expected = rest.rstrip("\n").split("\n-- ")
        yield name, text, expected


def test_check_judges_each_of_the_hand_made_configurations(config, record_property):
    taken = refused = 0
    wrong = []
    for name, text, expected in hand_made():
        done = config.run("check", "-", text=text)
        if expected == ["ok"]:
            taken += 1
            if (done.returncode, done.stdout, done.stderr) != (0, "ok\n", ""):
                wrong.append((name, done))
            continue
        refused += 1
        lines = done.stderr.splitlines()
        if done.returncode != 1 or done.stdout or len(lines) != min(len(expected), 33):
            wrong.append((name, done))
        for problem in expected:
            key, kind, found = problem.split(" | ", 2)
            if not any(line.startswith(f"tugboot: -: {key}: expected ") and kind in line
                       and found in line.split(", found ", 1)[1] for line in lines):
                wrong.append((name, problem, done))
    assert not wrong, wrong[0]
    assert taken + refused >= 200
    record_property("shown", f"{taken} configurations taken, {refused} refused by key, type and value")


def test_check_reads_a_file_or_the_one_in_use(config, tmp_path):
    other = tmp_path / "other.json"
    other.write_text('{"developmentMode": "true"}')
    config.give('{"hostname": "x"}')
    assert config.run("check").stdout == "ok\n"
    done = config.run("check", str(other))
    assert done.returncode == 1
    assert done.stderr == (f'tugboot: {other}: developmentMode: expected boolean, found "true"\n')
    assert config.run("check", str(tmp_path / "none")).returncode == 1
    other.write_bytes(b" " * (10 << 20))
    done = config.run("check", str(other))
    assert done.returncode == 1 and "at most 1048576 bytes" in done.stderr


def test_set_gives_each_key_its_type(config):
    done = config.run("set", "hostname=true", "developmentMode=true", "ntpServers=a.b  c.d",
                      "os.network.connectivity.interval=60", 'os.udevRules.10-a.b=A=="b"',
                      'os.sshKeys=[]', "unknown=5", "unknown.text=5 6", 'unknown.more={"a": [1]}',
                      "country=")
    assert done.returncode == 1  # unknown is a number, and cannot have members
    assert "unknown.text" in done.stderr and not config.file.exists()
    done = config.run("set", "hostname=true", "developmentMode=true", "ntpServers=a.b  c.d",
                      "os.network.connectivity.interval=60", 'os.udevRules.10-a.b=A=="b"',
                      'os.sshKeys=[]', "number=5", "other.text=5 6", 'other.more={"a": [1]}',
                      "country=", 'other.tricky=1,"hostname":"y"')
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert config.json() == {
        "hostname": "true", "developmentMode": True, "ntpServers": "a.b  c.d", "number": 5,
        "os": {"network": {"connectivity": {"interval": "60"}}, "udevRules": {"10-a.b": 'A=="b"'},
               "sshKeys": []},
        "other": {"text": "5 6", "more": {"a": [1]}, "tricky": '1,"hostname":"y"'}, "country": ""}


def test_set_leaves_all_other_bytes_alone(config):
    config.give(PRETTY)
    assert config.run("set", "hostname=door").returncode == 0
    assert config.file.read_text() == PRETTY.replace("1.50\n", '1.50,\n  "hostname": "door"\n')
    assert config.run("set", "os.network.wifi.randomMacAddressScan=false").returncode == 0
    assert ('    "network": {\n      "wifi": {\n        "randomMacAddressScan": false\n      }\n    }\n'
            in config.file.read_text())
    assert config.run("unset", "hostname", "os.network.wifi.randomMacAddressScan", "no.such").returncode == 0
    assert json.loads(config.file.read_text())["f"] == 1.5
    assert "12345678901234567890123" in config.file.read_text()


@pytest.mark.parametrize("change", [
    "hostname=a b", "developmentMode=yes", "installer.migrate.force=1", "os.udevRules.../x=A",
    "os.sshKeys=ssh-ed25519 AAAA", "os.network.connectivity.uri=http://x/\n[main]", "os=x",
    "dnsServers=*", "os.network.connectivity.interval=tomorrow", "balenaRootCA=x"])
def test_what_would_be_refused_is_not_written(config, change):
    config.give(PRETTY)
    before = config.file.stat()
    done = config.run("set", "country=DE", change)
    assert done.returncode == 1
    assert "nothing is written" in done.stderr
    key = change.split("=")[0]
    assert f": {key}" in done.stderr and "expected" in done.stderr and "found" in done.stderr
    after = config.file.stat()
    assert config.file.read_text() == PRETTY
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_wrong_file_is_put_right_in_one_go(config):
    config.give('{"hostname": ["x"], "developmentMode": "true"}')
    done = config.run("set", "hostname=x")
    assert done.returncode == 1 and "developmentMode" in done.stderr
    assert config.run("set", "hostname=x", "developmentMode=true").returncode == 0
    assert config.json() == {"hostname": "x", "developmentMode": True}
    config.give('{"hostname": "x"')
    done = config.run("set", "country=DE")
    assert done.returncode == 1 or config.json() == {"hostname": "x", "developmentMode": True, "country": "DE"}


def test_get_shows_values_and_hides_secrets(config):
    config.give(json.dumps({"hostname": "x", "deviceApiKey": "sesame", "n": {"password": "sesame", "a": 1},
                            "list": [{"token": "sesame"}], "plain": ["a", 2], "none": None,
                            "os": {"udevRules": {"10-a": "A\nB"}}}))
    done = config.run("get")
    assert "sesame" not in done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        'hostname="x"', "deviceApiKey=(secret)", "n.password=(secret)", "n.a=1", "list=(1 items)",
        'plain=["a",2]', 'os.udevRules.10-a="A\\nB"']
    assert config.run("get", "deviceApiKey").stdout == "sesame\n"
    assert config.run("get", "os.udevRules.10-a").stdout == "A\nB\n"
    assert config.run("get", "n.a").stdout == "1\n"
    done = config.run("get", "country")
    assert done.returncode == 1 and "not set" in done.stderr and "driver" in done.stderr
    assert config.run("get", "n..a").returncode == 2


def test_diff_says_what_would_change_and_changes_nothing(config):
    config.give('{"hostname": "door", "n": {"a": 1}, "deviceApiKey": "sesame", "same": [1]}')
    other = '{"hostname": "gate", "n": {"b": 1}, "deviceApiKey": "open", "same": [1]}'
    done = config.run("diff", "-", text=other)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:4] == ['hostname: "door" -> "gate"', "n.a: 1 -> not set", "n.b: not set -> 1",
                         "deviceApiKey: (secret) -> (secret)"]
    assert "same" not in done.stdout and "sesame" not in done.stdout
    assert {"write /etc/hostname", "write /run/tugboot/network.settings", "set the host name gate"} <= set(lines)
    assert config.json()["hostname"] == "door"
    assert not Path("/run/tugboot/network.settings").exists()
    done = config.run("diff", "-", text='{"hostname": 5}')
    assert done.returncode == 1 and "hostname: expected string" in done.stderr and not done.stdout


def test_changes_at_the_same_time_all_stay(config):
    """Several commands at once, each with keys of its own: none is lost."""
    config.give("{}")
    failed = []

    def change(n):
        for i in range(8):
            done = config.run("set", f"k{n}.v{i}={i}")
            if done.returncode != 0:
                failed.append(done.stderr)

    threads = [threading.Thread(target=change, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert config.json() == {f"k{n}": {f"v{i}": i for i in range(8)} for n in range(6)}


def test_a_boot_partition_without_config_has_none(config):
    assert config.run("get").stdout == ""
    assert config.run("check").stdout == "ok\n"
    assert config.run("unset", "hostname").returncode == 0
    assert not config.file.exists()
    assert config.run("set", "hostname=x").returncode == 0
    assert config.json() == {"hostname": "x"}


def test_check_starts_no_process(config, tmp_path):
    """Whatever a configuration says: what it names is not run, and no file appears."""
    trap = tmp_path / "trap"
    tool = tmp_path / "bin" / "touch"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\necho run >{trap}\n")
    tool.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tool.parent}:{os.environ['PATH']}"}
    for text in ('{"hostname": ["x", "touch", "f"]}', '{"os": {"udevRules": {"$(touch f)": "A"}}}',
                 '{"hostname": "$(touch f)"}', '{"installer": {"target_devices": "sda; touch f"}}',
                 '{"ntpServers": "`touch f`"}', '{"os": {"udevRules": {"../../x": "A"}}}'):
        done = subprocess.run([str(TUGBOOT), "config", "check", "-"], input=text, text=True, cwd=tmp_path,
                              env=environment, capture_output=True, check=False, timeout=60)
        assert done.returncode == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bin", "boot"]


def test_the_schema_is_what_the_man_page_says(config):
    listed = config.run("schema").stdout
    keys = json.loads(config.run("schema", "--json").stdout)
    assert len(keys) >= 19
    for key in keys:
        assert set(key) == {"key", "json", "type", "default", "help"}
        assert re.search(f"^{re.escape(key['key'])}\n    {re.escape(key['help'])}$", listed, re.M)
    page = Path(PAGE).read_text(encoding="utf-8")
    section = page.split("; Keys: made by `make config-page`.\n\n")[1].split("\n; End of keys.")[0]
    assert section == config.run("schema", "--man").stdout.rstrip("\n") + "\n", "run `make config-page`"
