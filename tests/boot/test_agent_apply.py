# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the config agent does with many changes, bad texts and trials in a running Debian, and the
memory of all agents together."""

import json

from harness import agents

PSS_KB = 6 * 1024

# In the guest, as fast as it goes.
MEASURE = r'''
import json, os, subprocess, sys, time
CONFIG = "/mnt/boot/config.json"
AGENTS = ("tugboot-config", "tugboot-network", "tugboot-time")

def main_pid(unit):
    shown = subprocess.run(["systemctl", "show", "-p", "MainPID", "--value", unit],
                           capture_output=True, text=True).stdout
    return int(shown)

def write(config):
    with open(CONFIG + ".in", "w") as out:
        json.dump(config, out)
    os.rename(CONFIG + ".in", CONFIG)

def thousand(base):
    start = time.monotonic()
    for i in range(1000):
        write({**base, "hostname": f"h{i}", "ntpServers": f"{i}.example.org"})
        time.sleep(0.001)
    written = time.monotonic() - start
    while time.monotonic() - start < written + 30:
        if os.uname().nodename == "h999":
            break
        time.sleep(0.05)
    return [round(written, 2), round(time.monotonic() - start - written, 2), os.uname().nodename]

def memory():
    found = {}
    for unit in AGENTS:
        pid = main_pid(unit)
        if not pid:
            continue
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            found[unit] = int(next(l for l in rollup if l.startswith("Pss:")).split()[1])
    return found

job = json.loads(sys.argv[1])
print(json.dumps({"thousand": lambda: thousand(*job[1:]), "memory": memory}[job[0]]()))
'''

BASE = {"uuid": "0123456789abcdef0123456789abcdef", "ntpServers": "0.example.org"}


def measure(guest, *job, timeout=300):
    words = json.dumps(job).replace("'", "'\\''")
    return json.loads(guest.shell(f"python3 /opt/measure.py '{words}'", timeout=timeout))


def check_thousand(guest, record_property):
    written, later, name = measure(guest, "thousand", BASE)
    record_property("shown", f"1000 changes in {written} s: the last one holds {later} s later")
    assert name == "h999"
    assert guest.shell("cat /etc/hostname") == "h999"
    assert "failed" not in agents.status(guest)


def check_bad_text(guest):
    """Changes nothing, says what, and is followed by the next good one."""
    agents.config(guest, {**BASE, "hostname": "good"})
    said = agents.config(guest, {**BASE, "hostname": {"a": 1}, "apiKey": "s3cret"})
    assert said["state"] == "refused"
    assert "hostname" in said["problem"]
    assert guest.shell("hostname") == "good"
    assert agents.config(guest, {**BASE, "hostname": "better"})["state"] == "applied"
    assert guest.shell("hostname") == "better"
    assert "s3cret" not in guest.shell("journalctl -b --no-pager -o cat -t tugboot-agent")


def check_trial(guest):
    """Goes back when nobody confirms, stays when somebody does."""
    agents.put(guest, "/tmp/in/trial.json", json.dumps({**BASE, "hostname": "trial"}))
    agents.config(guest, {**BASE, "hostname": "before"})
    guest.shell("tugboot config apply /tmp/in/trial.json --confirm-within=15")
    agents.wait_for(guest, "test $(hostname) = trial")
    assert "trial=" in guest.shell("tugboot config status")
    agents.wait_for(guest, "test $(hostname) = before")
    guest.shell("tugboot config apply /tmp/in/trial.json --confirm-within=60 && "
                "tugboot config confirm")
    agents.wait_for(guest, "test $(hostname) = trial")
    assert "trial=" not in guest.shell("tugboot config status")


def check_unmounted(guest):
    """A change while the partition is away is seen when it is back."""
    agents.config(guest, {**BASE, "hostname": "there"})
    # Whatever unit is started meanwhile has systemd mount it.
    guest.shell("umount /mnt/boot && mkdir -p /tmp/m && mount PARTLABEL=tug-boot /tmp/m && "
                "sed -i s/there/elsewhere/ /tmp/m/config.json && umount /tmp/m && "
                "{ mountpoint -q /mnt/boot || mount /mnt/boot; }")
    agents.wait_for(guest, "test $(hostname) = elsewhere")


def check_missing(guest):
    """Nothing changes while there is no config.json, nor when it comes back as it was."""
    agents.config(guest, {**BASE, "hostname": "stays"})
    guest.shell("mkdir /tmp/away && mv /mnt/boot/tugboot.cfg /mnt/boot/config.json /tmp/away/")
    agents.wait_for(guest, "tugboot config status | grep -qx state=missing")
    assert guest.shell("hostname") == "stays"
    guest.shell("cp /tmp/away/* /mnt/boot/")
    agents.wait_for(guest, "tugboot config status | grep -qx state=applied")
    assert guest.shell("hostname") == "stays"


def test_no_change_is_lost_and_a_trial_goes_back(boot, record_property):
    disk = agents.agents_disk(boot.work, config=BASE, files={"/opt/measure.py": MEASURE})
    made = agents.agents_guest(boot, disk)
    # The guest's seconds are then its own, whatever else the host does.
    made.count_instructions()
    with made as guest:
        agents.login(guest)
        agents.wait_for(guest, "systemctl is-active tugboot-config")
        pss = measure(guest, "memory")
        check_bad_text(guest)
        check_trial(guest)
        check_unmounted(guest)
        check_missing(guest)
        check_thousand(guest, record_property)
    record_property("shown", f"PSS of the agents: {pss} KiB, together {sum(pss.values())}")
    assert sum(pss.values()) <= PSS_KB
