# SPDX-License-Identifier: LGPL-2.1-or-later
"""Updates of Debian systems with the agents, from `tugboot slot try` to the verdict and back: what
the health agent decides, what it leaves for balenaOS's programs, and what `tugboot status` tells.

Both roots are one image. The container engine is a service of that name whose socket answers
Docker's ping: the interface that is asked, without the weight of a real engine. The VPN is a
WireGuard link.
"""

import json
import re

import pytest

from harness import agents, images

CONF = """\
Settle=3
Interval=1
Timeout=150
HookTimeout=20
RebootTimeout=90
"""

ENGINE = """\
import os, socket, time
path = "/run/docker.sock"
if os.path.exists("/etc/engine-ends-broken"):
    raise SystemExit(1)
if os.path.exists(path):
    os.unlink(path)
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(5)
while True:
    peer, _ = listener.accept()
    peer.recv(4096)
    if os.path.exists("/etc/engine-hangs"):
        time.sleep(3600)
    status = "500 Oops" if os.path.exists("/etc/engine-broken") else "200 OK"
    peer.sendall(f"HTTP/1.1 {status}\\r\\nContent-Length: 2\\r\\n\\r\\nOK".encode())
    peer.close()
"""

FILES = {
    "/etc/tugboot/health.conf": CONF,
    # Nothing here tells the time.
    "/etc/systemd/system/tugboot-time-wait.service": agents.MASKED,
    "/usr/local/lib/engine.py": ENGINE,
    "/etc/systemd/system/docker.service": """\
[Service]
ExecStart=/usr/bin/python3 /usr/local/lib/engine.py
""",
    "/etc/systemd/system/multi-user.target.wants/docker.service": images.Link("../docker.service"),
    "/etc/systemd/system/vpn.service": """\
[Unit]
ConditionPathExists=!/etc/vpn-broken

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/ip link add wg0 type wireguard
ExecStart=/sbin/ip address add 10.9.0.1/24 dev wg0
ExecStart=/sbin/ip link set wg0 up
""",
    "/etc/systemd/system/multi-user.target.wants/vpn.service": images.Link("../vpn.service"),
}

# Executables: a test of the makers', and hooks of all kinds, which tell of themselves.
PROGRAMS = {
    "/usr/lib/tugboot/health.d/50-app":
        "test ! -e /etc/app-hangs || sleep 1000\n"
        "test ! -e /etc/app-broken || { echo the application is not well; exit 3; }\n",
    "/etc/tugboot/commit.d/10-tugboot": "echo commit >>/mnt/state/hooks\n",
    "/etc/hostapp-update-hooks.d/20-balena/1-fwd_commit_it":
        'echo "balena commit $DURING_UPDATE" >>/mnt/state/hooks\n',
    "/etc/tugboot/rollback.d/10-tugboot":
        'echo "rollback to $TUGBOOT_SLOT" >>/mnt/boot/hooks\n'
        "findmnt -n -o PARTLABEL,OPTIONS / >>/mnt/boot/hooks\n",
    "/etc/hostapp-update-hooks.d/20-balena/1-forward":
        'echo "balena rollback $DURING_UPDATE" >>/mnt/state/hooks\n',
}

CHECK = {
    "/etc/systemd/system/check.service": """\
[Unit]
Before=boot-complete.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=test ! -e /etc/check-broken
""",
    "/etc/systemd/system/boot-complete.target.requires/check.service":
        images.Link("../check.service"),
}


def system(work, files=None, programs=None):
    """The files of a root; programs are executables, by their shell script."""
    made = {**FILES, **CHECK, **(files or {})}
    for number, (path, script) in enumerate({**PROGRAMS, **(programs or {})}.items()):
        program = work / f"program{number}"
        program.write_text(f"#!/bin/sh\n{script}", encoding="ascii")
        program.chmod(0o755)
        made[path] = program
    return made


def env(guest):
    """The boot environment as the running system reads it."""
    lines = guest.shell("tugboot env list").splitlines()
    return dict(line.split("=", 1) for line in lines)


def state(guest):
    """Names of balenaOS's files of a trial, and what they say."""
    names = guest.shell("ls /mnt/state | grep ^rollback- || true").split()
    return {name: guest.shell(f"cat /mnt/state/{name}") for name in names}


def status(guest):
    return json.loads(guest.shell("tugboot status --json"))


def running(guest):
    return guest.shell("findmnt -n -o PARTLABEL /").removeprefix("tug-root")


def on_other(guest, command):
    """Runs a command in the directory of the other root."""
    other = "B" if running(guest) == "A" else "A"
    device = f"/dev/disk/by-partlabel/tug-root{other}"
    guest.shell(f"mkdir -p /mnt/other && mount {device} /mnt/other && cd /mnt/other && "
                f"{{ {command}; }} && cd / && umount /mnt/other")


def update_and_return(guest, slot):
    """From the shell of a root to its next one, by way of the trial of the other."""
    before = guest.resets
    guest.send("reboot\n")
    guest.wait_resets(before + 2, 400)
    guest.expect(f"tugboot: slot name={slot} ")
    agents.login(guest)


def wait_for_verdict(guest, timeout=120):
    agents.wait_for(guest, "test $(tugboot env get upgrade_available) = 0 && "
                    "! ls /mnt/state/rollback-*-breadcrumb", timeout)


def plan_update(guest):
    """As an updater does it, after the other root was written."""
    other = "B" if running(guest) == "A" else "A"
    guest.shell(f"tugboot slot try {other}")
    crumbs = ["rollback-altboot-breadcrumb", "rollback-health-breadcrumb"]
    assert state(guest) == {name: other for name in crumbs}
    assert "vpn wg0" in guest.shell("cat /mnt/state/tugboot/network").splitlines()
    return other


# What is wrong with the new root -> how it is made so, the file that tells, and why.
BROKEN = {
    "engine": ("touch etc/engine-broken", "health",
               "engine: /run/docker.sock answers its ping with 500"),
    "VPN": ("touch etc/vpn-broken", "health", "vpn: wg0 was up before the update and is not"),
    "init": ("ln -sf /bin/false sbin/init", "altboot", "slot A: tries-used"),
}
REPAIR = "rm -f etc/*-broken etc/*-hangs; ln -sf /lib/systemd/systemd sbin/init; " \
    "sed -i /^Units=/d etc/tugboot/health.conf"
# The time that a healthy one has is for busy machines.
HASTE = "sed -i s/^Timeout=.*/Timeout=45/ etc/tugboot/health.conf"
TRIES = {"init": 1}  # it costs a minute each
BROKEN_LONG = {
    "engine that hangs": ("touch etc/engine-hangs", "health",
                          "engine: /run/docker.sock does not answer its ping: "
                          "Connection timed out"),
    "engine that is not there": ("touch etc/engine-ends-broken", "health",
                                 "docker.service: it is failed, and has to be active"),
    "application": ("touch etc/app-broken", "health",
                    "50-app: it ended with 3: the application is not well"),
    "application that hangs": ("touch etc/app-hangs", "health", "50-app: it did not end within"),
    "boot-complete.target": ("touch etc/check-broken", "health",
                             "boot-complete.target: check.service has failed"),
    "unit": ("echo Units=cups.service >>etc/tugboot/health.conf", "health",
             "cups.service: it is inactive, and has to be active"),
}


def check_healthy(guest, record_property):
    """The first update: from A to B."""
    plan_update(guest)
    agents.reboot(guest)
    wait_for_verdict(guest)
    assert running(guest) == "B"
    assert state(guest) == {}
    now = env(guest)
    assert (now["resin_root_part"], now["bootcount"]) == ("B", "0")
    assert guest.shell("cat /mnt/state/hooks").splitlines() == ["commit", "balena commit 0"]
    boots = status(guest)["boots"]
    assert [(boot["slot"], boot["reason"], boot["health"]) for boot in boots] == [
        ("A", "normal", "none"), ("B", "trial", "passed")]
    assert "its tests passed" in guest.shell("tugboot status")
    record_property("matrix", ("update", "healthy", "kept"))


def check_broken(guest, name, record_property):
    """An update from B to A, which is broken, and the return to B."""
    how, way, why = {**BROKEN, **BROKEN_LONG}[name]
    guest.shell("rm -f /mnt/state/hooks /mnt/boot/hooks")
    on_other(guest, f"{REPAIR}; {HASTE}; {how}")
    guest.shell(f"tugboot env set bootlimit={TRIES.get(name, 2)}")
    plan_update(guest)
    update_and_return(guest, "B")
    wait_for_verdict(guest)
    assert running(guest) == "B"
    files = state(guest)
    assert list(files) == [f"rollback-{way}-triggered"]
    assert why in files[f"rollback-{way}-triggered"]
    now = env(guest)
    assert (now["resin_root_part"], now["bootcount"]) == ("B", "0")
    assert now["tugboot_rollback"] == ("A:health:1" if way == "health" else "A:tries-used:1")
    boots = status(guest)["boots"]
    if way == "health":
        # The old root's hooks ran in it, before it was gone back to.
        told = guest.shell("cat /mnt/boot/hooks").splitlines()
        assert told[0] == "rollback to B"
        assert re.match(r"tug-rootB\s+ro,", told[1])
        assert guest.shell("cat /mnt/state/hooks") == "balena rollback 1"
        assert (boots[-2]["slot"], boots[-2]["health"]) == ("A", "failed")
        assert why in boots[-2]["why"]
    else:
        assert "Attempted to kill init" in guest.console
    assert (boots[-1]["slot"], boots[-1]["health"]) == ("B", "none")
    last = status(guest)["last_rollback"]
    assert last["from"] == "A"
    if way == "health":
        assert why in last["why"]
        assert why in guest.shell("tugboot status")
    record_property("matrix", ("update", name, f"back, {way}"))


def tell_stories(boot, names, record_property):
    disk = agents.agents_disk(boot.work, files=system(boot.work))
    with agents.agents_guest(boot, disk) as guest:
        agents.login(guest)
        assert guest.shell("test -e /usr/lib/tugboot/tugboot-agent && systemctl is-active "
                           "tugboot-good || true") == "inactive"
        check_healthy(guest, record_property)
        for name in names:
            check_broken(guest, name, record_property)
        agents.power_off(guest)


def test_updates_are_kept_when_healthy_and_taken_back_with_the_reason(boot, record_property):
    tell_stories(boot, BROKEN, record_property)


@pytest.mark.long
def test_updates_are_taken_back_for_whatever_is_not_healthy(boot, record_property):
    tell_stories(boot, BROKEN_LONG, record_property)


# --- Power cuts ---

# Runs the agent; once, as told by /mnt/data/cut, it is killed before a write becomes durable, and
# then the machine is reset at once: what is not durable is lost.
CUTTER = """\
number=$(cat /mnt/data/cut 2>/dev/null)
if [ -z "$number" ] || ! grep -q tugboot.reason=trial /proc/cmdline; then
    exec /usr/lib/tugboot/tugboot-agent health
fi
rm /mnt/data/cut
sync
strace -o /run/cut -e trace=fsync -e inject=fsync:signal=SIGKILL:when=$number \\
    /usr/lib/tugboot/tugboot-agent health
status=$?
[ $status = 137 ] || exit $status
echo "CUT $number" >/dev/console
echo b >/proc/sysrq-trigger
"""

# When the agent has come to its end: says how things are, and plans the next update; each line of
# /mnt/data/plan is the number of the write, and what is wrong with the new root.
PLANNER = """\
slot=$(sed 's/.*tugboot.slot=\\(.\\).*/\\1/' /proc/cmdline)
other=$(echo $slot | tr AB BA)
start=$(journalctl -b -u tugboot-health -o cat |
    sed -n 's/.*health start=\\([a-z]*\\).*/\\1/p' | tail -n 1)
echo "JUDGED slot=$slot start=$start root=$(tugboot env get resin_root_part)" \\
    "trial=$(tugboot env get upgrade_available)" \\
    "crumbs=$(ls /mnt/state | grep -c breadcrumb)" \\
    "told=$(ls /mnt/state | grep triggered | tr '\\n' ,)" \\
    "hooks=$(sort -u /mnt/state/hooks 2>/dev/null | tr -d ' ' | tr '\\n' ,)" >/dev/console
read -r number broken <<END || exec systemctl poweroff
$(head -n 1 /mnt/data/plan)
END
[ -n "$number" ] || exec systemctl poweroff
sed -i 1d /mnt/data/plan
rm -f /mnt/state/hooks
mkdir -p /mnt/other
mount /dev/disk/by-partlabel/tug-root$other /mnt/other
rm -f /mnt/other/etc/engine-broken
timeout=150
if [ -n "$broken" ]; then
    touch /mnt/other/etc/engine-broken
    timeout=45
fi
sed -i s/^Timeout=.*/Timeout=$timeout/ /mnt/other/etc/tugboot/health.conf
umount /mnt/other
echo $number >/mnt/data/cut
sync
tugboot slot try $other
systemctl --no-block reboot
"""

CUTS = {
    # The sandbox of the agent is not for a tracer.
    "/etc/systemd/system/tugboot-health.service.d/cut.conf": """\
[Service]
ExecStart=
ExecStart=/usr/local/sbin/cutter
ExecStopPost=/usr/local/sbin/planner
SystemCallFilter=
CapabilityBoundingSet=
CapabilityBoundingSet=~
""",
    "/etc/systemd/system/serial-getty@ttyS0.service": agents.MASKED,
}


def cut_updates(boot, plan, record_property):
    """Updates with a power cut each; plan: (number of the write, is the new root healthy?)."""
    lines = "".join(f"{number} {'' if healthy else 'broken'}\n" for number, healthy in plan)
    programs = {"/usr/local/sbin/cutter": CUTTER, "/usr/local/sbin/planner": PLANNER}
    disk = agents.agents_disk(boot.work, files=system(boot.work, CUTS, programs),
                              data={"/plan": lines})
    with agents.agents_guest(boot, disk) as guest:
        guest.wait_end(200 + 300 * len(plan))
        console = guest.console
    judged = [dict(re.findall(r"(\w+)=(\S*)", line))
              for line in re.findall(r"JUDGED (.*)", console)]
    starts = re.findall(r"tugboot: slot name=(.) dev=\S+ reason=(\w+) tries=(\d+)/(\d+)", console)
    assert len(judged) == len(plan) + 1
    before = judged[0]
    for (number, healthy), after in zip(plan, judged[1:]):
        new = "B" if before["slot"] == "A" else "A"
        cut = f"CUT {number}" in console
        check_cut(after, new if healthy else before["slot"], healthy)
        record_property("matrix", ("power cut", f"before write {number} of a verdict, "
                                   f"{'healthy' if healthy else 'broken'}",
                                   f"{after['start'] if cut else 'no cut'}"))
        before = after
    # Never uncounted: a root that is not committed is started with its try counted before.
    assert all(1 <= int(used) <= int(allowed) for _, reason, used, allowed in starts
               if reason == "trial")


def check_cut(after, slot, healthy):
    """Decided, on one root, told as it is, and nothing left of the trial."""
    assert (after["slot"], after["root"], after["trial"], after["crumbs"]) == (slot, slot, "0", "0")
    if healthy:
        assert after["told"] == ""
        assert "commit," in after["hooks"]
    else:
        assert after["told"] == "rollback-health-triggered,"


def test_a_power_cut_in_a_health_run_ends_healthy_on_one_root(boot, record_property):
    cut_updates(boot, [(4, True)], record_property)


@pytest.mark.long
def test_a_power_cut_at_each_write_of_a_health_run_ends_healthy_on_one_root(boot, record_property):
    cut_updates(boot, [(number, healthy) for healthy in (True, False) for number in range(1, 15)],
                record_property)
