# SPDX-License-Identifier: LGPL-2.1-or-later
"""The network agent in a running Debian, with NetworkManager and dnsmasq, and with systemd-networkd
and systemd-resolved: name servers and their order, the radio's country, connections from the boot
partition, waiting for the network.

The networks are made inside of the guest: a wire to nowhere, name servers on addresses of its own,
radios of mac80211_hwsim.
"""

import json
import re
import time

from harness import GuestError, agents
from harness.images import Link

# ADDRESS=SUFFIX,...: answers for names that end so, with 10 and the last three bytes of its own
# address; all others do not exist. Each question is noted in /run/asked.ADDRESS, and
# /run/silent.ADDRESS keeps it from answering.
NAMESERVER = """\
import os, selectors, socket, sys
known = selectors.DefaultSelector()
for word in sys.argv[1:]:
    address, suffixes = word.split("=")
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, 53))
    known.register(s, selectors.EVENT_READ, (address, tuple(suffixes.split(","))))
open("/run/nameserver.ready", "w").close()
while True:
    for key, _ in known.select():
        address, suffixes = key.data
        query, peer = key.fileobj.recvfrom(512)
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        name = ".".join(labels)
        with open("/run/asked." + address, "a") as asked:
            asked.write(name + "\\n")
        if os.path.exists("/run/silent." + address):
            continue
        exists = name.endswith(suffixes)
        a = exists and query[at + 1:at + 3] == b"\\0\\1"
        answer = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4\\n" + socket.inet_aton(address)[1:]
        flags = b"\\x85\\x80" if exists else b"\\x85\\x83"
        key.fileobj.sendto(query[:2] + flags + b"\\0\\1" + (b"\\0\\1" if a else b"\\0\\0")
                           + b"\\0\\0\\0\\0" + query[12:at + 5] + (answer if a else b""), peer)
"""
PUBLIC, PRIVATE, LISTED = "8.8.8.8", "192.0.2.53", "203.0.113.9"
SERVERS = {PUBLIC: "web.example", PRIVATE: "corp.example,web.example",
           LISTED: "listed.example,web.example"}

NMCLI_UP = "nmcli --wait 60 connection up wire"
ONLINE = "/usr/lib/tugboot/tugboot-agent network online"

GOOD = "[connection]\nid={0}\ntype=ethernet\ninterface-name=none0\nautoconnect=false\n"
CONNECTIONS = {
    # Good ones, with names of all kinds.
    "home.nmconnection": GOOD.format("home"),
    "balena-wifi": GOOD.format("balena-wifi").replace("\n", "\r\n"),
    "$(touch pwned) ; reboot": GOOD.format("shell"),
    "Café.nmconnection": GOOD.format("cafe"),
    # Not of the form.
    "text": "to be or not to be\n",
    "nuls": b"[connection]\nid=x\0y\n",
    "headless": "id=x\n[connection]\n",
    "other": "[wifi]\nssid=x\n",
    "large": b"[connection]\n" + b"\n" * 300000,
    # Not meant.
    "README.txt": GOOD.format("readme"),
    "sample.ignore": GOOD.format("sample"),
    ".hidden": GOOD.format("hidden"),
}
COPIES = "/etc/NetworkManager/system-connections"
IMPORTED = ["$(touch pwned) ; reboot", "Café.nmconnection", "balena-wifi", "home.nmconnection"]


class Rows:
    """What was found, a line for each thing that was looked at."""

    def __init__(self):
        self.rows = []

    def add(self, what, found):
        print(f"{what}: {found}", flush=True)
        self.rows.append((what, str(found)))

    def __str__(self):
        width = max(len(what) for what, _ in self.rows)
        return "\n" + "\n".join(f"{what.ljust(width)}  {found}" for what, found in self.rows)


def until(guest, command, expected, timeout=60):
    """The command prints this, sooner or later (a pattern that all of it matches)."""
    end = time.monotonic() + timeout
    while not re.fullmatch(expected, found := guest.shell(f"{{ {command}\n}} 2>&1 || true",
                                                          timeout=timeout)):
        if time.monotonic() > end:
            raise GuestError(f"`{command}`: expected /{expected}/, found {found!r}")
        guest.pause(0.5)
    return found


def address_of(server):
    return "10." + server.split(".", 1)[1]


def lookup(guest, name):
    """The address that the system's resolver finds; empty for none. A name with dots is a whole
    one: nothing is tried behind it."""
    whole = name + "." if "." in name else name
    return guest.shell(f"getent ahostsv4 {whole} | sed -n '1s/ .*//p'", timeout=60)


def asked(guest, server, prefix):
    """How often a server was asked for names that begin so: each test has its own, and other
    programs ask for theirs."""
    return int(guest.shell(f"cat /run/asked.{server} 2>/dev/null | grep -c '^{prefix}' || true"))


def start_servers(guest, namespace=None):
    """Here, or in a network namespace."""
    inside = f"ip netns exec {namespace} " if namespace else ""
    for server in SERVERS:
        guest.shell(f"{inside}ip address add {server}/32 dev lo")
    words = " ".join(f"{server}={suffixes}" for server, suffixes in SERVERS.items())
    guest.shell(f"systemd-run -q --unit=nameserver {inside}python3 /opt/test/nameserver.py {words}")
    until(guest, "ls /run/nameserver.ready", "/run/nameserver.ready")


def configure(guest, settings):
    """config.json is this, and in effect. A restart that took too long for the config agent is the
    host's doing: the same settings are given to it again."""
    for attempt in range(4):
        status = agents.config(guest, json.dumps(settings) + " " * attempt, timeout=120)
        if "ETIMEDOUT" not in status.get("failed", ""):
            break
    assert status.get("state") == "applied" and "failed" not in status, status


def online(guest, *options):
    """Ends in (exit status, milliseconds, what it said)."""
    out = guest.shell(f"s=$(date +%s%N); {ONLINE} {' '.join(options)} 2>&1; r=$?; "
                      "echo \"$r $(( ($(date +%s%N) - s) / 1000000 ))\"", timeout=120)
    *said, last = out.splitlines()
    status, taken = map(int, last.split())
    return status, taken, "\n".join(said)


def wait_online(guest, rows):
    """A deadline that passes, a link that comes late, and changes at about the time of asking."""
    status, taken, said = online(guest, "--timeout=3")
    assert status == 1 and 3000 <= taken < 20000, (status, taken, said)
    assert re.search(r'online=no reason=deadline found="NetworkManager is \w+ \(state \d+', said)
    rows.add("online, no link", f"exit {status} after {taken} ms: {said.partition('found=')[2]}")
    guest.shell(f"({ONLINE} --timeout=120 >/run/late 2>&1; echo $? >/run/late.status) & true")
    guest.pause(3)
    assert guest.shell("cat /run/late.status 2>/dev/null || true") == ""
    guest.shell(NMCLI_UP, timeout=120)
    until(guest, "cat /run/late.status", "0", timeout=30)
    rows.add("online, late link", guest.shell("cat /run/late"))
    status, _, said = online(guest, "--timeout=5", "--full")
    assert status == 0, said
    slowest = 0
    for number in range(4):
        guest.shell("nmcli connection down wire", timeout=120)
        guest.shell(f"(sleep 0.{number * 25:02}; {NMCLI_UP}) >/dev/null 2>&1 & true")
        status, taken, said = online(guest, "--timeout=60")
        assert status == 0 and taken < 50000, (status, taken, said)
        slowest = max(slowest, taken)
        guest.shell("wait")
    rows.add("online, link while asking", f"4 of 4, slowest {slowest} ms")


def name_servers(guest, rows):
    """The network's own first, 8.8.8.8 when they do not answer; listed ones before both."""
    until(guest, "cat /run/tugboot/dnsmasq.upstream", f"server={PRIVATE}\nserver={PUBLIC}")
    assert guest.shell("readlink /etc/resolv.conf") == "/run/tugboot/resolv.conf"
    assert "search corp.example" in guest.shell("cat /etc/resolv.conf")

    def private_names(rounds, prefix):
        for number in range(rounds):
            assert lookup(guest, f"{prefix}{number}.corp.example") == address_of(PRIVATE)
        assert lookup(guest, prefix + "none.example") == ""
        assert asked(guest, PUBLIC, prefix) == 0
        return asked(guest, PRIVATE, prefix)

    rows.add("dns, private names", f"10 of 10 by {PRIVATE} ({private_names(10, 'a')} questions), "
                                   f"0 questions to {PUBLIC}")
    # Its search domain makes a full name of a short one.
    assert lookup(guest, "short") == address_of(PRIVATE)
    # The order is the same when the files have been read again, in whatever order.
    guest.shell("systemctl kill -s HUP tugboot-network.service tugboot-dns.service; "
                f"nmcli connection down wire && {NMCLI_UP}", timeout=120)
    until(guest, "cat /run/tugboot/dnsmasq.upstream", f"server={PRIVATE}\nserver={PUBLIC}")
    guest.pause(1)
    rows.add("dns, after a reconnect", f"{private_names(5, 'b')} questions, 0 to {PUBLIC}")
    guest.shell(f"touch /run/silent.{PRIVATE}")
    assert lookup(guest, "c1.web.example") == address_of(PUBLIC)
    rows.add("dns, network's is silent", f"{PUBLIC} answers")

    configure(guest, {"dnsServers": "null"})
    until(guest, "cat /run/tugboot/dnsmasq.upstream", f"server={PRIVATE}")
    assert guest.shell("stat -c %s /run/tugboot/dnsmasq.servers") == "0"
    assert lookup(guest, "c2.web.example") == ""
    guest.shell(f"rm /run/silent.{PRIVATE}")
    assert lookup(guest, "c3.web.example") == address_of(PRIVATE)
    assert asked(guest, PUBLIC, "c2") == 0 and asked(guest, PUBLIC, "c3") == 0
    assert guest.shell("journalctl -b -u tugboot-dns | grep -ci 'bad address' || true") == "0"
    rows.add('dns, "null"', f"{PRIVATE} alone, servers file empty")

    configure(guest, {"dnsServers": f"{LISTED} /only.example/{PUBLIC}"})
    until(guest, "cat /run/tugboot/dnsmasq.upstream",
          f"server={LISTED}\nserver=/only.example/{PUBLIC}\nserver={PRIVATE}")
    guest.pause(1)
    assert lookup(guest, "d1.listed.example") == address_of(LISTED)
    assert lookup(guest, "d2.only.example") == "" and asked(guest, PUBLIC, "d2") > 0
    guest.shell(f"touch /run/silent.{LISTED}")
    assert lookup(guest, "d3.corp.example") == address_of(PRIVATE)
    rows.add("dns, listed", f"{LISTED} first, {PRIVATE} when it is silent")

    configure(guest, {})
    until(guest, "cat /run/tugboot/dnsmasq.upstream", f"server={PRIVATE}\nserver={PUBLIC}")
    guest.pause(1)
    rows.add("dns, key removed", f"{private_names(3, 'e')} questions, 0 to {PUBLIC}")


def print_config(guest):
    return guest.shell("NetworkManager --print-config", timeout=60)


def manager_settings(guest, rows):
    """What NetworkManager says of itself, and after removal does not say any more."""
    wanted = {"os": {"network": {
        "wifi": {"randomMacAddressScan": False},
        "connectivity": {"uri": "http://check.example/x", "interval": "300", "response": "it's ok"},
    }}}
    configure(guest, wanted)
    printed = print_config(guest)
    for line in ("wifi.scan-rand-mac-address=no", "uri=http://check.example/x", "interval=300",
                 "response=it's ok"):
        assert line in printed.splitlines(), printed
    name = "org.freedesktop.NetworkManager"
    of = f"{name} /{name.replace('.', '/')} {name}"
    until(guest, f"busctl get-property {of} ConnectivityCheckUri",
          's "http://check.example/x"')
    rows.add("NetworkManager --print-config", "4 lines; the running one has the URI")
    configure(guest, {"os": {"network": {"connectivity": {"uri": "null"}}}})
    printed = print_config(guest)
    assert "enabled=false" in printed and "check.example" not in printed
    configure(guest, {})
    printed = print_config(guest)
    assert not re.search("scan-rand|check.example|interval=|enabled=|tugboot", printed), printed
    assert guest.shell("ls /run/NetworkManager/conf.d 2>/dev/null || true") == ""
    rows.add("NetworkManager, keys removed", "no line, no file")


def country(guest, rows):
    """Set before there is a radio, changed, set again for one that comes back, removed."""
    asks = "iw reg get | sed -n '/^global/,/^$/s/^country \\(..\\):.*/\\1/p'"
    configure(guest, {"country": "DE"})
    guest.shell("modprobe mac80211_hwsim radios=1", timeout=120)
    until(guest, asks, "DE")
    configure(guest, {"country": "JP"})
    until(guest, asks, "JP")
    guest.shell("modprobe -r mac80211_hwsim mac80211 cfg80211 && "
                "modprobe mac80211_hwsim radios=1", timeout=120)
    until(guest, asks, "JP")
    # One that starts anew finds what the one before it has set.
    guest.shell("systemctl restart tugboot-network.service", timeout=120)
    until(guest, asks, "JP")
    configure(guest, {})
    until(guest, asks, "00")
    rows.add("country", "DE before the radio came, JP, JP for the radio that came back, 00")


def connections(guest, rows):
    """Copied before NetworkManager started; gone here when they are gone there."""
    def there():
        return sorted(guest.shell(f"ls -1N {COPIES}").splitlines())

    def refused():
        said = guest.shell("journalctl -b -u tugboot-network-import -o cat")
        return sorted(set(re.findall(r'connection="?([\w.]+)"? directory.*left out', said)))

    names = guest.shell("nmcli -c no -g NAME connection").splitlines()
    assert {"home", "balena-wifi", "shell", "cafe"} <= set(names), names
    # The console has one byte for one character.
    assert there() == sorted(name.encode().decode("latin-1") for name in IMPORTED), there()
    assert guest.shell(f"stat -c '%a %U' {COPIES}/* | sort -u") == "600 root"
    assert refused() == ["headless", "large", "nuls", "other", "text"], refused()
    assert guest.shell("find / -xdev -name pwned") == ""
    rows.add("connections", f"{len(IMPORTED)} copied, {len(refused())} named and left out")
    guest.shell(f"cd {agents.BOOT}/system-connections && rm home.nmconnection balena-wifi && "
                f"echo nonsense >>Caf*.nmconnection; cd && echo '[connection]' >{COPIES}/mine; "
                "systemctl restart tugboot-network-import.service && nmcli connection reload",
                timeout=120)
    assert len(there()) == 3 and "mine" in there() and "home.nmconnection" not in there(), there()
    names = guest.shell("nmcli -c no -g NAME connection").splitlines()
    assert "home" not in names and "cafe" in names, names
    rows.add("connections, removed", "2 gone, the one made bad as it was, another's untouched")


def test_networkmanager_and_dnsmasq_go_by_config_json(boot, record_property):
    files = {
        "/opt/test/nameserver.py": NAMESERVER,
        "/etc/NetworkManager/conf.d/test.conf": "[main]\nno-auto-default=*\n",
    }
    disk = agents.agents_disk(
        boot.work, config={}, files=files,
        boot={f"system-connections/{name}": text for name, text in CONNECTIONS.items()})
    rows = Rows()
    with agents.agents_guest(boot, disk) as guest:
        agents.login(guest)
        connections(guest, rows)
        guest.shell("ip link add wire type veth peer name other && ip link set other up")
        guest.shell("nmcli connection add type ethernet ifname wire con-name wire autoconnect no "
                    "ipv4.method manual ipv4.addresses 198.51.100.2/24 ipv4.gateway 198.51.100.1 "
                    f"ipv4.dns {PRIVATE} ipv4.dns-search corp.example ipv6.method disabled",
                    timeout=120)
        start_servers(guest)
        wait_online(guest, rows)
        name_servers(guest, rows)
        manager_settings(guest, rows)
        country(guest, rows)
        until(guest, "avahi-browse -trp _ssh._tcp | grep -c ';22222;'", "[1-9]")
        rows.add("mDNS", "_ssh._tcp on port 22222")
        size = guest.shell("sed -n 's/^Pss: *//p' /proc/$(systemctl show -P MainPID "
                           "tugboot-network.service)/smaps_rollup")
        rows.add("memory of the agent", f"PSS {size}")
    record_property("shown", str(rows))


NETWORKD_FILES = {
    "/opt/test/nameserver.py": NAMESERVER,
    "/etc/systemd/system/NetworkManager.service": agents.MASKED,
    "/etc/systemd/system/tugboot-dns.service": agents.MASKED,
    "/etc/systemd/system/systemd-resolved.service":
        Link("/usr/lib/systemd/system/systemd-resolved.service"),
    "/etc/systemd/system/sysinit.target.wants/systemd-resolved.service":
        Link("/usr/lib/systemd/system/systemd-resolved.service"),
    "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service":
        Link("/usr/lib/systemd/system/systemd-networkd.service"),
    "/etc/resolv.conf": Link("/run/systemd/resolve/stub-resolv.conf"),
}
NETWORKD_CONNECTIONS = {
    "wire.netdev": "[NetDev]\nName=wire\nKind=veth\n[Peer]\nName=other\n",
    "wire.network": "[Match]\nName=wire\n[Network]\nAddress=198.51.100.2/24\n"
                    f"Gateway=198.51.100.1\nLinkLocalAddressing=no\nDNS={PRIVATE}\n",
    "bad.network": "Name=wire\n",
    "home.nmconnection": GOOD.format("home"),
}


def test_networkd_and_resolved_go_by_config_json(boot, record_property):
    settings = {"os": {"network": {"wifi": {"randomMacAddressScan": True}}}}
    disk = agents.agents_disk(
        boot.work, config=settings, files=NETWORKD_FILES,
        boot={f"system-connections/{name}": text for name, text in NETWORKD_CONNECTIONS.items()})
    rows = Rows()
    with agents.agents_guest(boot, disk) as guest:
        agents.login(guest)
        assert guest.shell("cd /run/systemd/network && stat -c '%n %a %G' *") == \
            "wire.netdev 640 systemd-network\nwire.network 640 systemd-network"
        status, taken, said = online(guest, "--timeout=3")
        assert status == 1 and taken >= 3000 and "systemd-networkd is" in said, (status, said)
        rows.add("online, no carrier", said)
        # resolved asks a link's server over that link.
        guest.shell("ip netns add world && ip link set other netns world && "
                    "ip netns exec world ip link set lo up && "
                    "ip netns exec world ip address add 198.51.100.1/24 dev other")
        guest.shell(f"({ONLINE} --timeout=120 >/run/late 2>&1; echo $? >/run/late.status) & true")
        guest.pause(3)
        assert guest.shell("cat /run/late.status 2>/dev/null || true") == ""
        guest.shell("ip netns exec world ip link set other up")
        until(guest, "cat /run/late.status", "0", timeout=30)
        rows.add("online, late carrier", guest.shell("cat /run/late"))
        guest.shell("systemctl start tugboot-network-online.service", timeout=120)
        until(guest, "journalctl -b -u tugboot-network -o cat | grep -c randomMacAddressScan", "1")
        rows.add("randomMacAddressScan", "said once: not systemd-networkd's")
        start_servers(guest, "world")

        guest.shell("cd")
        assert lookup(guest, "a1.corp.example") == address_of(PRIVATE)
        assert lookup(guest, "a2.listed.example") == "" and asked(guest, PUBLIC, "a") == 0
        rows.add("dns, default", f"private names by {PRIVATE}, 0 questions to {PUBLIC}")
        configure(guest, {"dnsServers": LISTED})
        assert LISTED in guest.shell("resolvectl dns", timeout=60)
        assert lookup(guest, "b1.listed.example") == address_of(LISTED)
        assert lookup(guest, "b2.corp.example") == address_of(PRIVATE)
        rows.add("dns, listed", f"names of {LISTED}, and private ones by {PRIVATE}")
        configure(guest, {})
        assert LISTED not in guest.shell("resolvectl dns", timeout=60)
        assert lookup(guest, "c1.listed.example") == ""

        # A network that names no server.
        guest.shell("sed -i /DNS=/d /run/systemd/network/wire.network && networkctl reload && "
                    "networkctl reconfigure wire", timeout=60)
        until(guest, "getent ahostsv4 d1.web.example | sed -n '1s/ .*//p'", address_of(PUBLIC))
        rows.add("dns, none by the network", f"{PUBLIC} answers")
        configure(guest, {"dnsServers": "null"})
        assert lookup(guest, "d2.web.example") == "" and asked(guest, PUBLIC, "d2") == 0
        rows.add('dns, "null"', "nobody is asked")

    record_property("shown", str(rows))
