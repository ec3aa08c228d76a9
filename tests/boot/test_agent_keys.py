# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every key of config.json in a running Debian: set, changed and removed, its effect observed in
the service that it is for.

Each thing that the acceptance tests of balenaOS observe has its counterpart:

    hostname: /etc/hostname, mDNS name    row hostname
    ntpServers: chronyc sources           rows ntpServers, os.network.ntp.defaults
    dnsServers: dnsmasq uses the value    row dnsServers: set, changed
    dnsServers "null": servers file       row dnsServers "null", and test_agent_network.py::
      empty, no "bad address"             test_networkmanager_and_dnsmasq_go_by_config_json
    dnsServers removed: 8.8.8.8 again     row dnsServers: removed, and the same
    connectivity.uri, MAC scan:           rows os.network.connectivity.*,
      NetworkManager --print-config       os.network.wifi.randomMacAddressScan
    udevRules: a link, its target         row os.udevRules
    persistentLogging: one more boot      row persistentLogging, and test_agent_logins.py::
      in the list after a reboot          check_log_is_kept
    chrony: active, synchronised          test_agent_time.py::test_faults_of_time_do_no_harm_
      within 2 min                        and_an_honest_source_ends_them: "NTP in an air gap" and
                                          "NTS", within 30 s
    chrony: UDP 123 blocked, a forced     the same: "port 123 blocked, a poll is forced" within
      poll within 5 min                   1 min, "port 123 blocked for a while"
    chrony: two minutes behind,           the same: "two minutes behind", right within 30 s;
      a restart within 10 min             test_agent_time.py::test_further_faults_of_time_do_no_
                                          harm: "chronyd hangs"; when: test_watchpolicy.c
    ssh: production and development,      test_agent_logins.py::check_logins
      with keys and without
    engine socket 2375 in development     row developmentMode: engine
    update: partition changed, no         test_update_stories.py::test_updates_are_kept_when_
      breadcrumbs, no *-triggered         healthy_and_taken_back_with_the_reason: check_healthy
    engine, VPN, init broken: back, with  the same: check_broken for "engine", "VPN" and "init"
      rollback-{health,altboot}-triggered
"""

import re

from harness import agents
from harness.configured import (ADDRESS, UUID, Table, check_nothing_is_told, login, make_keys,
                                merged, prepare, start)
from harness.tools import artifact, run
from test_agent_network import LISTED, NAMESERVER, PRIVATE, PUBLIC, address_of, start_servers

# Each of the functions below gives the settings of the three columns, and their checks.


def name_is(device, name):
    device.until("hostname; cat /etc/hostname; uname -n", "\n".join([name] * 3))
    device.until(f"avahi-resolve -4 -n {name}.local", rf"{name}\.local\t[\d.]+")
    return name


def hostname(device):
    return [({"hostname": "boat-1"}, lambda: name_is(device, "boat-1")),
            ({"hostname": "tug.example"}, lambda: device.until("cat /etc/hostname", "tug.example")),
            ({}, lambda: name_is(device, UUID[:7]))]


def uuid(device):
    """Without it, the name is the system's own."""
    return [({"uuid": "aaaaaaaabbbb"}, lambda: name_is(device, "aaaaaaa")),
            ({"uuid": "c0ffee00-1234"}, lambda: name_is(device, "c0ffee0")),
            ({"uuid": None}, lambda: name_is(device, "debian"))]


def country(device):
    asks = "iw reg get | sed -n '/^global/,/^$/s/^country \\(..\\):.*/\\1/p'"
    return [({"country": "DE"}, lambda: device.until(asks, "DE")),
            ({"country": "jp"}, lambda: device.until(asks, "JP")),
            ({}, lambda: device.until(asks, "00"))]


POOLS = [f"{n}.resinio.pool.ntp.org" for n in range(4)]


def asks_time_of(device, *names):
    """These are chronyd's sources, beside Debian's own pool."""
    asks = "chronyc -n -N sources -a | tail -n +3 | cut -c4- | cut -d' ' -f1 | " \
        "grep -v debian.pool | LC_ALL=C sort -u | xargs"
    device.until(asks, re.escape(" ".join(sorted(names))))
    own = [name for name in names if name not in POOLS]
    return ", ".join(own + ["4 defaults"] * (len(own) < len(names)))


def ntp_servers(device):
    def with_nts():
        device.until("chronyc -N authdata -a | sed -n 's/^nts.example *\\([^ ]*\\).*/\\1/p'", "NTS")
        return asks_time_of(device, "192.0.2.2", "nts.example", *POOLS) + ", NTS"

    return [({"ntpServers": "192.0.2.1 ntp.example"},
             lambda: asks_time_of(device, "192.0.2.1", "ntp.example", *POOLS)),
            ({"ntpServers": "192.0.2.2 nts://nts.example"}, with_nts),
            ({}, lambda: asks_time_of(device, *POOLS))]


def ntp_defaults(device):
    def given(value):
        return {"ntpServers": "192.0.2.2", "os": {"network": {"ntp": {"defaults": value}}}}

    return [(given(False), lambda: asks_time_of(device, "192.0.2.2")),
            (given(True), lambda: asks_time_of(device, "192.0.2.2", *POOLS)),
            ({}, lambda: asks_time_of(device, *POOLS))]


def answers_first(device, server):
    """A name that nobody knows yet, and that all servers would answer for."""
    device.until("getent ahostsv4 n$(date +%N).web.example. | sed -n '1s/ .*//p'",
                 re.escape(address_of(server)))
    return server


def default_dns(device):
    """The network's own first, 8.8.8.8 when that is silent."""
    answers_first(device, PRIVATE)
    device.shell(f"touch /run/silent.{PRIVATE}")
    answers_first(device, PUBLIC)
    device.shell(f"rm /run/silent.{PRIVATE}")
    return f"the network's, {PUBLIC}"


def dns_servers(device):
    return [({"dnsServers": LISTED}, lambda: answers_first(device, LISTED)),
            ({"dnsServers": PUBLIC}, lambda: answers_first(device, PUBLIC)),
            ({}, lambda: default_dns(device))]


def no_dns_servers(device):
    def none():
        device.until("stat -c %s /run/tugboot/dnsmasq.servers; cat /run/tugboot/dnsmasq.upstream",
                     f"0\nserver={PRIVATE}")
        answers_first(device, PRIVATE)
        assert device.shell("journalctl -b | grep -ci 'bad address' || true") == "0"
        return "the network's alone"

    return [({"dnsServers": "null"}, none),
            ({"dnsServers": LISTED}, lambda: answers_first(device, LISTED)),
            ({}, lambda: default_dns(device))]


def manager_has(device, line):
    """NetworkManager's configuration has this line in its place, or none of that key."""
    key = line.partition("=")[0]
    asks = "NetworkManager --print-config | sed -n '/^\\[connectivity\\]/,/^$/p' | " \
        f"grep '^{key}=' || true"
    device.until(asks, re.escape(line) if "=" in line else "")
    return line if "=" in line else "none"


def runs_with(device, uri):
    """The running one, too."""
    name = "org.freedesktop.NetworkManager"
    device.until(f"busctl get-property {name} /{name.replace('.', '/')} {name} "
                 "ConnectivityCheckUri", re.escape(f's "{uri}"'))


URI = {"os": {"network": {"connectivity": {"uri": "http://check.example/a"}}}}


def connectivity(key, value):
    return merged(URI, {"os": {"network": {"connectivity": {key: value}}}})


def connectivity_uri(device):
    def has(uri):
        runs_with(device, uri)
        return manager_has(device, f"uri={uri}")

    return [(URI, lambda: has("http://check.example/a")),
            (connectivity("uri", "https://b.example/x?y"), lambda: has("https://b.example/x?y")),
            ({}, lambda: manager_has(device, "uri"))]


def api_endpoint(device):
    def has(name):
        return manager_has(device, f"uri=https://{name}/connectivity-check")

    return [({"apiEndpoint": "https://api.example"}, lambda: has("api.example")),
            ({"apiEndpoint": "https://api.other.example/"}, lambda: has("api.other.example")),
            ({}, lambda: manager_has(device, "uri"))]


def no_connectivity(device):
    """Neither NetworkManager nor the time agent asks anybody."""
    def off():
        device.until("sed -n 's/^https=//p' /run/tugboot/status/time", "off")
        assert manager_has(device, "uri") == "none"
        return manager_has(device, "enabled=false")

    def on():
        device.until("sed -n 's/^https=//p' /run/tugboot/status/time", "(?!off).*")
        return manager_has(device, "uri=http://check.example/a")

    api = {"apiEndpoint": "https://api.example"}
    return [(merged(api, connectivity("uri", "null")), off), (URI, on),
            (api, lambda: manager_has(device, "uri=https://api.example/connectivity-check"))]


def connectivity_interval(device):
    return [(connectivity("interval", "300"), lambda: manager_has(device, "interval=300")),
            (connectivity("interval", 0), lambda: manager_has(device, "interval=0")),
            (URI, lambda: manager_has(device, "interval=3600"))]


def connectivity_response(device):
    return [(connectivity("response", "well"), lambda: manager_has(device, "response=well")),
            (connectivity("response", "it's [ok]; x"),
             lambda: manager_has(device, "response=it's [ok]; x")),
            (URI, lambda: manager_has(device, "response="))]


def random_mac(device):
    def given(value):
        return {"os": {"network": {"wifi": {"randomMacAddressScan": value}}}}

    asks = "NetworkManager --print-config | sed -n 's/^wifi.scan-rand-mac-address=//p'"
    return [(given(False), lambda: device.until(asks, "no|false")),
            (given(True), lambda: device.until(asks, "yes|true")),
            ({}, lambda: device.until(asks, "") or "default")]


def udev_rules(device):
    def rule(name):
        return {"os": {"udevRules": {"70-test": f'KERNEL=="null", SYMLINK+="tug/{name}"'}}}

    links = "for l in /dev/tug/*; do [ -L $l ] && echo $l $(readlink -f $l); done; ls " \
        "/etc/udev/rules.d"
    return [(rule("one"), lambda: device.until(links, "/dev/tug/one /dev/null\n70-test.rules")
             and "one -> null"),
            (rule("two"), lambda: device.until(links, "/dev/tug/two /dev/null\n70-test.rules")
             and "two -> null"),
            ({}, lambda: device.until(links, "") or "no link")]


def root_ca(device):
    def given(name):
        return {"balenaRootCA": run("base64", "-w0", device.pki / f"{name}.pem")}

    def trusts(yes):
        asks = "for l in one two; do for s in -CApath\\ /etc/ssl/certs " \
            "-CAfile\\ /etc/ssl/certs/ca-certificates.crt; do " \
            "openssl verify -no-CAfile -no-CApath $s /opt/test/leaf-$l.pem >/dev/null 2>&1 " \
            "&& echo $l; done; done"
        device.until(asks, "\n".join([yes] * 2) if yes else "")
        # The store is what Debian's own program makes of it.
        device.until("update-ca-certificates 2>&1 | grep added", "0 added, 0 removed; done.")
        return f"{yes or 'none'} trusted"

    return [(given("one"), lambda: trusts("one")), (given("two"), lambda: trusts("two")),
            ({}, lambda: trusts(""))]


def persistent_logging(device):
    mounted = "findmnt -n -o FSROOT /var/log/journal"
    place = f"{mounted}; ls /mnt/data/tugboot/journal | wc -l"
    says = "logger -t keys MARK; journalctl --sync; journalctl -q -t keys --file " \
        "'{}/*/system.journal' -o cat | tail -n 1"

    def is_kept():
        device.until(place, "/tugboot/journal\n1")
        return device.until(says.format("/var/log/journal"), "MARK") and "kept"

    def is_not():
        device.until(mounted, "")
        # This asks for the mount; systemd has not read its units again.
        device.shell("systemctl restart systemd-journal-flush.service")
        assert device.shell(f"{mounted} || true") == ""
        return device.until(says.format("/run/log/journal"), "MARK") and "in memory"

    return [({"persistentLogging": True}, is_kept), ({"persistentLogging": False}, is_not),
            ({}, is_not)]


def engine(device):
    asks = f"timeout 20 python3 -c \"import socket; s = socket.create_connection(('{ADDRESS}', " \
        "2375), 15); s.sendall(b'GET /_ping HTTP/1.0\\r\\n\\r\\n'); " \
        "print(s.recv(99).split()[-1].decode())\" 2>&1 | tail -n 1"
    refused = r"ConnectionRefusedError.*"
    return [({"developmentMode": True}, lambda: device.until(asks, "engine") and "open"),
            ({"developmentMode": False}, lambda: device.until(asks, refused) and "refused"),
            ({}, lambda: device.until(asks, refused) and "refused")]


def console(device):
    asks = "ps -t ttyS1 -o args="
    getty = r"\S*agetty .*"
    return [({"developmentMode": True}, lambda: device.until(asks, r"(.*\n)*-bash") and "shell"),
            ({"developmentMode": False}, lambda: device.until(asks, getty) and "login"),
            ({}, lambda: device.until(asks, getty) and "login")]


def ssh_keys(device):
    one, two = make_keys(device, "one", "two")

    def lets_in(expected):
        found = [login(device, key) for key in ("one", "two")]
        assert found == expected, found
        return next((f"{n} in" for n, way in zip(("one", "two"), found) if way == "in"), "refused")

    return [({"os": {"sshKeys": [one]}}, lambda: lets_in(["in", "refused"])),
            ({"os": {"sshKeys": [two]}}, lambda: lets_in(["refused", "in"])),
            ({}, lambda: lets_in(["refused", "refused"]))]


def unknown(device):
    """Kept and ignored, also by who sets another key."""
    mine = {"cloudThing": {"a": [1, "$(reboot)"], "os": "x"}, "registryEndpoint": "r.example"}
    asks = "python3 -c 'import json; c = json.load(open(\"%s\")); print([c.get(k) for k in " \
        "(\"cloudThing\", \"registryEndpoint\")])'" % agents.CONFIG
    kept = re.escape(str([mine["cloudThing"], mine["registryEndpoint"]]))

    def still():
        device.until("tugboot config set hostname=other; hostname", "(.*\n)*other")
        device.until(asks, kept)
        return "kept by config set"

    return [(mine, lambda: device.until(asks, kept) and "kept"), (mine, still),
            ({}, lambda: device.until(asks, re.escape("[None, None]")) and "gone")]


# Keys that are set, changed and removed with each other: what one of them makes a daemon do is not
# what another one's effect comes from. (Country and connectivity are told to the network agent by
# one file; each alone is in test_agent_network.py.)
ROUNDS = [
    {
        "hostname": hostname,
        "apiEndpoint": api_endpoint,
        "country": country,
        "ntpServers": ntp_servers,
        "dnsServers": dns_servers,
        "os.udevRules": udev_rules,
        "balenaRootCA": root_ca,
        "persistentLogging": persistent_logging,
        "developmentMode: engine": engine,
        "developmentMode: console": console,
        "os.sshKeys": ssh_keys,
        "unknown keys": unknown,
    },
    {
        "uuid": uuid,
        "os.network.ntp.defaults": ntp_defaults,
        "dnsServers: \"null\"": no_dns_servers,
        "os.network.connectivity.uri": connectivity_uri,
        "os.network.wifi.randomMacAddressScan": random_mac,
    },
    {
        "os.network.connectivity.interval": connectivity_interval,
        "os.network.connectivity.response": connectivity_response,
    },
    {"os.network.connectivity.uri: \"null\"": no_connectivity},
]
# What only an installer goes by: what is taken, and what is not.
INSTALLER = {
    "installer.secureboot": ({"secureboot": True}, {"secureboot": "true"}),
    "installer.migrate.force": ({"migrate": {"force": True}}, {"migrate": {"force": "false"}}),
    "installer.target_devices": ({"target_devices": "nvme0n1 sda"},
                                 {"target_devices": "sda; touch /made"}),
}


def check_installer(device, table, key, good, bad):
    """A good value is accepted, a bad one refused by the key's name, with what was expected."""
    def accept(*settings):
        device.configure(*settings)
        return "accepted"

    def refuse():
        status = device.give({"installer": bad})
        assert status["state"] == "refused" and status["problem"].startswith(key), status
        return "bad one refused"

    table.cell(key, "set", lambda: accept({"installer": good}))
    table.cell(key, "changed", refuse)
    table.cell(key, "removed", accept)


# --- The device --------------------------------------------------------------------------------

def make_pki(work):
    """Two authorities, and a certificate of each."""
    for name in "one", "two":
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            work / f"{name}.key", "-out", work / f"{name}.pem", "-subj", f"/CN=authority {name}",
            "-days", "36500", "-set_serial", "1")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            work / "leaf.key", "-CA", work / f"{name}.pem", "-CAkey", work / f"{name}.key",
            "-out", work / f"leaf-{name}.pem", "-subj", f"/CN={name}.example", "-days", "36500")
    return {f"/opt/test/leaf-{name}.pem": work / f"leaf-{name}.pem" for name in ("one", "two")}


def check_round(device, table, keys):
    made = {key: make(device) for key, make in keys.items()}
    for number, column in enumerate(table.columns):
        settings = [columns[number][0] for columns in made.values()]
        table.cell("config.json", column, lambda: device.configure(*settings) or "applied")
        for key, columns in made.items():
            table.cell(key, column, columns[number][1])


def test_each_key_has_its_effect(boot, record_property):
    """Set, changed and removed, in one boot."""
    pki = boot.work / "pki"
    pki.mkdir()
    table = Table("key", ("set", "changed", "removed"))
    rows = [key for keys in ROUNDS for key in keys]
    schema = re.findall(r"^\S+$", run(artifact("tugboot"), "config", "schema"), re.M)
    missing = set(schema) - {row.partition(":")[0] for row in [*rows, *INSTALLER]}
    assert len(schema) > 15 and not missing, missing
    with start(boot, {"/opt/test/nameserver.py": NAMESERVER, **make_pki(pki)}) as guest:
        device = prepare(guest, dns=PRIVATE)
        guest.shell("modprobe mac80211_hwsim radios=1", timeout=120)
        start_servers(guest)
        device.pki = pki
        for keys in ROUNDS:
            check_round(device, table, keys)
        for key, (good, bad) in INSTALLER.items():
            check_installer(device, table, key, good, bad)
        check_nothing_is_told(device)
        assert guest.shell("ls /made 2>/dev/null || true") == ""
        agents.power_off(guest)
    record_property("shown", f"\n{table}")
    assert not table.wrong, "\n".join([str(table), *table.wrong])
