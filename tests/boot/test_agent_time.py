# SPDX-License-Identifier: LGPL-2.1-or-later
"""The time agent on a running system, against chronyd, web servers, and people who mean it ill.

The guest's clock and its RTC are set to what a fault needs, and servers in a network namespace of
it serve the true time, a wrong one, or none (harness/timeworld.py). The table is in
harness/timetable.py, what plays it in harness/timefaults.py; both run in the guest.
"""

import json
import re

import pytest

from harness import agents, images
from harness.images import Link
from harness.tools import TREE, run

WHERE = "/opt/time"
NOT_HERE = ("tugboot-config.service", "tugboot-config-boot.service", "tugboot-network.service",
            "tugboot-health.service", "NetworkManager.service", "dnsmasq.service",
            "avahi-daemon.service", "avahi-daemon.socket", "systemd-networkd.service")
MASKED = Link("/dev/null")

AUTHORITY = """\
[ca]
default_ca = it
[it]
database = {work}/index
new_certs_dir = {work}
serial = {work}/serial
default_md = sha256
unique_subject = no
policy = any
[any]
commonName = supplied
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = CA:false
subjectAltName = DNS:{name}
extendedKeyUsage = serverAuth
"""
NAME = "*.time.test"
# Certificate: name, first and last day, who signs it.
CERTIFICATES = {
    "good": (NAME, "20270115", "20270415", "ours"),
    "long": (NAME, "20250101", "20450101", "ours"),
    "expired": (NAME, "20261001", "20261231", "ours"),
    "early": (NAME, "20270601", "20270901", "ours"),
    "wrongname": ("elsewhere.example", "20270115", "20270415", "ours"),
    "forged": (NAME, "20270115", "20270415", "theirs"),
    "selfsigned": (NAME, "20270115", "20270415", "selfsigned"),
}


def _key(work, name):
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
        work / f"{name}.key")


def _certificate(work, name, subject, days, signer):
    """Signs it with the key of `signer`, which may be its own."""
    _key(work, name)
    config = work / "config"
    config.write_text(AUTHORITY.format(work=work, name=subject), encoding="ascii")
    request, made = work / f"{name}.csr", work / f"{name}.pem"
    run("openssl", "req", "-new", "-subj", f"/CN={subject}", "-key", work / f"{name}.key", "-out",
        request)
    by = ["-selfsign", "-keyfile", work / f"{name}.key"] if signer == name else \
        ["-cert", work / f"{signer}.pem", "-keyfile", work / f"{signer}.key"]
    run("openssl", "ca", "-batch", "-notext", "-config", config, "-extensions",
        "root" if name in ("ours", "theirs") else "leaf", "-startdate", f"{days[0]}000000Z",
        "-enddate", f"{days[1]}000000Z", *by, "-in", request, "-out", made)


def _certificates(work):
    """All of them, as files of the guest."""
    work.mkdir()
    (work / "index").touch()
    (work / "serial").write_text("01\n", encoding="ascii")
    for root in ("ours", "theirs"):
        _certificate(work, root, f"Authority {root}", ("20200101", "20490101"), root)
    files = {"/etc/ssl/certs/ca-certificates.crt": work / "ours.pem"}
    for name, (subject, first, last, signer) in CERTIFICATES.items():
        _certificate(work, name, subject, (first, last), signer)
        files[f"{WHERE}/{name}.pem"] = work / f"{name}.pem"
        files[f"{WHERE}/{name}.key"] = work / f"{name}.key"
    return files


def _files(work):
    harness = TREE / "tests/boot/harness"
    files = {f"{WHERE}/{name}.py": harness / f"{name}.py"
             for name in ("timeworld", "timefaults", "timetable")}
    files[f"{WHERE}/truth.so"] = images.library("truth")
    files.update({f"/etc/systemd/system/{unit}": MASKED for unit in NOT_HERE})
    return {**files, **_certificates(work / "certificates")}


def _play(boot, words, timeout, record_property):
    disk = agents.agents_disk(boot.work, files=_files(boot.work))
    with agents.agents_guest(boot, disk) as guest:
        agents.login(guest)
        security = guest.shell("systemd-analyze security --no-pager tugboot-time.service "
                               "tugboot-time-boot.service tugboot-time-https.service "
                               "tugboot-time-wait.service | grep 'Overall exposure'")
        text = guest.shell(f"cd {WHERE} && python3 timefaults.py {words}", timeout=timeout)
        said = guest.shell("tugboot time status")
        pss = guest.shell("systemctl restart tugboot-time && sleep 2 && grep ^Pss: /proc/$("
                          "systemctl show -P MainPID tugboot-time)/smaps_rollup")
    faults = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("fault ")]
    for fault in faults:
        steps = ", ".join(f"{step:+d} s" for step in fault["steps"]) or "none"
        record_property("shown", f"{fault['name']}: {fault['result']}, {fault['seconds']} s, "
                        f"steps {steps}: {'WRONG' if fault['wrong'] else 'good'}")
    record_property("shown", f"{len(faults)} faults; {pss}")
    record_property("shown", security)
    wrong = [f"{fault['name']}: {fault['wrong']}" for fault in faults if fault["wrong"]]
    assert not wrong, "\n".join(wrong) + "\n" + text
    assert text.rstrip().splitlines()[-1] == f"end {len(faults)} 0"
    assert "source" in said.lower()
    exposures = [float(number) for number in re.findall(r"service: (\d+\.\d+)", security)]
    assert len(exposures) == 4 and max(exposures) <= 3.0, security
    return faults


def test_faults_of_time_do_no_harm_and_an_honest_source_ends_them(boot, record_property):
    faults = _play(boot, "quick", 1500, record_property)
    assert len(faults) >= 40


@pytest.mark.long
def test_further_faults_of_time_do_no_harm(boot, record_property):
    _play(boot, "long", 900, record_property)
