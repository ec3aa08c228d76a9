# SPDX-License-Identifier: LGPL-2.1-or-later
"""What must not happen in a running Debian: a login that config.json does not allow, a value of it
that becomes a command, a path or a section, a log that is lost in a reboot.
"""

import re

from harness import GuestError, agents
from harness.configured import Table, check_nothing_is_told, login, make_keys, prepare, start

# --- Logins ------------------------------------------------------------------------------------

LOGINS = (None, "the", "another")
COLUMNS = ("no key", "the key", "another key")


def check_logins(device, table):
    public, _ = make_keys(device, "the", "another")
    keys, development = {"os": {"sshKeys": [public]}}, {"developmentMode": True}
    cases = {
        "production": ([{}], "refused refused refused"),
        "production, the key": ([keys], "refused in refused"),
        "development": ([development], "in in in"),
        "development, the key": ([development, keys], "refused in refused"),
        "production again": ([{}], "refused refused refused"),
    }
    for name, (settings, expected) in cases.items():
        device.configure(*settings)
        for key, column, way in zip(LOGINS, COLUMNS, expected.split()):
            def check(key=key, way=way):
                found = login(device, key)
                assert found == way, f"expected {way}, found {found}"
                return found

            table.cell(name, column, check)
    assert device.shell("ls /etc/pam.d | grep -c tugboot || true") == "0"
    assert device.shell("stat -c '%a %U' /run/tugboot/ssh/sshd_config") == "600 root"


# --- Injections --------------------------------------------------------------------------------

TOUCH = "touch /made"
GOOD = {"hostname": "good", "ntpServers": "192.0.2.9", "dnsServers": "192.0.2.53",
        "os": {"udevRules": {"70-test": 'KERNEL=="null", SYMLINK+="tug/good"'},
               "network": {"connectivity": {"uri": "http://good.example/"}}}}


def network(*keys, value):
    """os.network.KEYS is this."""
    for key in reversed(("os", "network", *keys)):
        value = {key: value}
    return value


SECTION = "\n[main]\nplugins=evil"
# What was a command, an escape or a new section in the shell version, and more of the kind: the key
# that is named, and what is set. None: no JSON.
INJECTIONS = [
    ("hostname", {"hostname": ["x", "touch", "/made"]}),
    ("hostname", {"hostname": {}}),
    ("hostname", {"hostname": f"x; {TOUCH}"}),
    ("hostname", {"hostname": f"$({TOUCH})"}),
    ("hostname", {"hostname": "x" * 65}),
    ("uuid", {"uuid": f"$({TOUCH})"}),
    ("apiEndpoint", {"apiEndpoint": f"https://x/{SECTION}"}),
    ("persistentLogging", {"persistentLogging": f"true; {TOUCH}"}),
    ("country", {"country": f"`{TOUCH}`"}),
    ("country", {"country": "../../made"}),
    ("ntpServers", {"ntpServers": "a\nserver evil.example"}),
    ("ntpServers", {"ntpServers": f"$({TOUCH})"}),
    ("dnsServers", {"dnsServers": f"* $({TOUCH})"}),
    ("dnsServers", {"dnsServers": "192.0.2.1\nserver=198.51.100.9"}),
    ("developmentMode", {"developmentMode": "true"}),
    ("balenaRootCA", {"balenaRootCA": f"$({TOUCH})"}),
    ("os", {"os": "x"}),
    ("os.udevRules", {"os": {"udevRules": {f"$({TOUCH})": "x"}}}),
    ("os.udevRules", {"os": {"udevRules": {"../../../made": "x"}}}),
    ("os.udevRules", {"os": {"udevRules": "x"}}),
    ("os.network.wifi.randomMacAddressScan",
     network("wifi", "randomMacAddressScan", value="no" + SECTION)),
    ("os.network.connectivity.uri", network("connectivity", "uri", value="http://x/" + SECTION)),
    ("os.network.connectivity.interval",
     network("connectivity", "interval", value="300" + SECTION)),
    ("os.network.connectivity.response",
     network("connectivity", "response", value="x" + SECTION)),
    ("os.network.ntp.defaults", network("ntp", "defaults", value="false")),
    ("os.sshKeys", {"os": {"sshKeys": "ssh-ed25519 AAAA"}}),
    ("os.sshKeys", {"os": {"sshKeys": [f'command="{TOUCH}" ssh-ed25519 AAAA']}}),
    ("installer.secureboot", {"installer": {"secureboot": "yes"}}),
    ("installer.target_devices", {"installer": {"target_devices": f"sda; {TOUCH}"}}),
    ("installer.migrate.force", {"installer": {"migrate": {"force": "false"}}}),
    ("installer.migrate.force", {"installer": {"migrate": {"force": 0}}}),
    ("", None),
]
# The last good settings, in the services and in all files that may be ours.
GOODS = "hostname; readlink -f /dev/tug/good; chronyc -nN sources -a | grep -c '192.0.2.9 '; " \
    "NetworkManager --print-config | grep -c ^uri=http://good.example/$; ls /etc/udev/rules.d; " \
    "find /etc /run/tugboot /run/NetworkManager/conf.d /usr/local/share /root/.ssh -xdev -type f " \
    "! -path '/run/tugboot/status/*' ! -name country -newer /opt/test/engine.py " \
    "-exec md5sum {} + | sort -k 2 | md5sum; ls /made 2>/dev/null"


def trace(device):
    """Notes each program that the agent starts, and each process that it makes."""
    device.shell("systemd-run -q --unit=trace strace -f -qq -o /tmp/processes -e "
                 "trace=execve,execveat,fork,vfork,clone,clone3 "
                 "-p $(systemctl show -P MainPID tugboot-config)")
    device.until("grep TracerPid: /proc/$(systemctl show -P MainPID tugboot-config)/status",
                 r"TracerPid:\s+[1-9]\d*")


def refuse(device, number, before):
    """Empty, or what was wrong with the injection of this number."""
    key, settings = INJECTIONS[number]
    device.shell(f"logger -t keys begin {number}")
    try:
        if settings is None:
            # Cut off while it was written: the copy of the last good one counts.
            status = device.give_text('{"hostname": "x",')
            assert status["source"] == "copy", status
        else:
            status = device.give(settings)
            assert status["state"] == "refused", status
            device.until(f"journalctl -q -b -o cat -t keys -t tugboot-agent -n 20 | sed "
                         f"'0,/^begin {number}$/d'",
                         rf'(.*\n)*.* key="?{re.escape(key)}.* expected=.* found=.*(\n.*)*')
        now = device.shell(f"{{ {GOODS}\n}} 2>&1 || true")
        assert now == before, f"{now}\nexpected\n{before}"
    except (AssertionError, GuestError) as error:
        return f"{settings}: {error}"
    return ""


def check_injections(device):
    """Each is refused and named in the log, and has no effect: nothing is started, the last good
    settings stay."""
    device.configure(GOOD)
    before = device.until(GOODS, r"good\n/dev/null\n1\n1\n70-test.rules\n[0-9a-f]+ +-")
    trace(device)
    pid = device.shell("systemctl show -P MainPID tugboot-config")
    wrong = list(filter(None, (refuse(device, i, before) for i in range(len(INJECTIONS)))))
    # It is the same process all the time, and the trace was there to its end.
    assert device.shell("systemctl show -P MainPID tugboot-config") == pid
    assert device.shell("systemctl is-active trace") == "active"
    device.shell("systemctl stop trace")
    assert device.shell("cat /tmp/processes") == ""
    assert not wrong, "\n\n".join(wrong)
    return len(INJECTIONS)


# --- The log -----------------------------------------------------------------------------------

def check_log_is_kept(device):
    """One more boot in the list after a reboot, from the kernel's first line on."""
    device.configure({"persistentLogging": True})
    boots = "journalctl -q --list-boots | wc -l"
    device.until("findmnt -n -o FSROOT /var/log/journal", "/tugboot/journal")
    before = int(device.shell(boots))
    agents.reboot(device.guest)
    device.until("systemctl is-active tugboot-config", "active")
    after = int(device.shell(boots))
    assert after == before + 1, (before, after)
    assert "Linux version" in device.shell("journalctl -q -b -o cat | head -n 1")
    return f"{before} boots listed, {after} after a reboot"


def test_logins_injections_and_a_kept_log(boot, record_property):
    logins = Table("mode", COLUMNS)
    with start(boot) as guest:
        device = prepare(guest)
        check_logins(device, logins)
        count = check_injections(device)
        check_nothing_is_told(device)
        listed = check_log_is_kept(device)
        agents.power_off(guest)
    record_property("shown", f"{count} injections refused, 0 programs started; {listed}\n{logins}")
    assert not logins.wrong, "\n".join([str(logins), *logins.wrong])
