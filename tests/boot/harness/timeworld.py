# SPDX-License-Identifier: LGPL-2.1-or-later
"""Servers of time for a guest whose own clock is wrong: runs in the guest, and needs nothing but
Python, iproute2 and chrony.

The servers are in a network namespace, `world`, at the other end of a veth pair. They see the true
time: CLOCK_BOOTTIME, which nobody sets, plus a constant. A server is there when its address is.
"""

import contextlib
import ctypes
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

TRUTH_START = 1803902400  # 2027-03-01 12:00:00 UTC, when this module is loaded
OFFSET = TRUTH_START - time.clock_gettime(time.CLOCK_BOOTTIME)
HERE = os.path.dirname(os.path.abspath(__file__))
NETWORK = "10.9.0."
NTP_EPOCH = 2208988800

# Last parts of addresses.
NTP = {"honest1": 41, "honest2": 42, "honest3": 43, "year2099": 44, "old": 45, "ahead1": 46,
       "ahead2": 47, "ahead3": 48, "yesterday": 49, "kiss": 50}
NTP_OFF = {"year2099": 2272147200 - TRUTH_START, "old": -900 * 86400, "ahead1": 3600,
           "ahead2": 3600, "ahead3": 3600, "yesterday": -86400}
NTS = {"nts": 61, "nts-forged": 62, "nts-name": 63, "nts-2099": 64}

_libc = ctypes.CDLL(None, use_errno=True)


def truth():
    """The true time."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) + OFFSET


def run(*command):
    """Runs a program that has to succeed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}: {done.stdout}")
    return done.stdout


def adjtimex(timex):
    """adjtimex(2), with a struct timex as bytes."""
    if _libc.adjtimex((ctypes.c_char * len(timex)).from_buffer(timex)) < 0:
        raise OSError(ctypes.get_errno(), "adjtimex")


@contextlib.contextmanager
def in_world():
    """What is opened in here belongs to the namespace of the servers."""
    with open("/proc/self/ns/net", "rb") as ours, open("/run/netns/world", "rb") as world:
        _libc.setns(world.fileno(), 0)
        try:
            yield
        finally:
            _libc.setns(ours.fileno(), 0)


def _socket(kind, last, port):
    with in_world():
        made = socket.socket(socket.AF_INET, kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_IP, 15, 1)  # IP_FREEBIND: the address comes and goes
    made.bind((NETWORK + str(last), port))
    return made


def _thread(function, *args):
    threading.Thread(target=function, args=args, daemon=True).start()


def _stamp(when):
    return struct.pack("!II", (int(when) + NTP_EPOCH) & 0xffffffff, int(when % 1 * 2 ** 32))


def _ntp_server(name, last):
    """Answers as a server of stratum 2 does; `kiss` sends nothing but refusals."""
    link = _socket(socket.SOCK_DGRAM, last, 123)
    off = NTP_OFF.get(name, 0)
    while True:
        packet, peer = link.recvfrom(1024)
        now = truth() + off
        if len(packet) < 48 or packet[0] & 7 != 3:
            continue
        leap, stratum, ref = (3, 0, b"DENY") if name == "kiss" else (0, 2, b"\x0a\x01\x01\x01")
        head = struct.pack("!BBbbII", leap << 6 | 4 << 3 | 4, stratum, packet[2], -20, 655, 655)
        answer = head + ref + _stamp(now - 1) + packet[40:48] + _stamp(now)
        link.sendto(answer + _stamp(truth() + off), peer)


def http_date(when):
    """As in the Date header."""
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(when))


def _answer(status, *headers, body="", off=0, date=True):
    def make():
        lines = [f"HTTP/1.1 {status}", *headers, "Connection: close"]
        if date is True:
            lines.append(f"Date: {http_date(truth() + off)}")
        elif date:
            lines.append(f"Date: {date}")
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
    return make


_GOOD = _answer("204 No Content")
LOGIN = _answer("200 OK", body="<html>Welcome to the hotel</html>")
REDIRECT = _answer("302 Found", "Location: https://good.time.test/", off=10 ** 7)
YEAR_2099 = "Thu, 01 Jan 2099 00:00:00 GMT"

# Name (of time.test): last part of the address, certificate (None: no TLS), answer.
WEB = {
    "good": (10, "good", _GOOD),
    "forged": (11, "forged", _GOOD),
    "expired": (12, "expired", _GOOD),
    "early": (13, "early", _GOOD),
    "wrongname": (14, "wrongname", _GOOD),
    "beyond": (15, "good", _answer("204 No Content", date="Mon, 01 Jan 2035 00:00:00 GMT")),
    "redirect": (16, "good", REDIRECT),
    "login": (17, "good", LOGIN),
    "old": (18, "long", _answer("204 No Content", date="Thu, 01 Jan 2026 00:00:00 GMT")),
    "nodate": (19, "good", _answer("204 No Content", date=None)),
    "baddate": (20, "good", _answer("204 No Content", date="tomorrow")),
    "hang": (21, None, None),
    "text": (22, "good", _answer("200 OK", body="online\n")),
    "far": (23, "long", _answer("204 No Content", date="Sun, 01 Jan 2040 00:00:00 GMT")),
    "flood": (24, "good", _answer("200 OK", body="online" + "x" * 100000)),
    "twice": (25, "good", _answer("204 No Content", f"Date: {YEAR_2099}")),
    "selfsigned": (26, "selfsigned", _GOOD),
    "plain": (30, None, _GOOD),
    "plainportal": (31, None, REDIRECT),
    "plain2099": (32, None, _answer("204 No Content", date=YEAR_2099)),
    "plainold": (33, None, _answer("204 No Content", date="Thu, 01 Jan 2026 00:00:00 GMT")),
}
PROXIES = {"proxy": 70, "proxyliar": 71}
ADDRESSES = {**{f"ntp-{name}": last for name, last in NTP.items()}, **NTS, **PROXIES,
             **{name: row[0] for name, row in WEB.items()}}
hits = {name: 0 for name in ADDRESSES}


def _request(link):
    data = b""
    while b"\r\n\r\n" not in data and len(data) < 16384:
        more = link.recv(4096)
        if not more:
            break
        data += more
    return data


def _serve(name, link, context, answer):
    with contextlib.suppress(OSError), link:
        link.settimeout(20)
        if context:
            link = context.wrap_socket(link, server_side=True)
        with link:
            if answer is None:
                time.sleep(60)
                return
            _request(link)
            hits[name] += 1
            link.sendall(answer())


def _web_server(name, last, certificate, answer, port):
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{HERE}/{certificate}.pem", f"{HERE}/{certificate}.key")
    server = _socket(socket.SOCK_STREAM, last, port)
    server.listen(16)
    while True:
        link, _ = server.accept()
        _thread(_serve, name, link, context, answer)


def _pipe(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _proxy(name, link):
    """An HTTP proxy. A liar adds a date of its own and leads nowhere."""
    with contextlib.suppress(OSError), link:
        words = _request(link).split()
        hits[name] += 1
        liar = name == "proxyliar"
        date = f"Date: {YEAR_2099}\r\n" if liar else ""
        link.sendall(f"HTTP/1.1 200 Connection established\r\n{date}\r\n".encode())
        if liar:
            return
        with in_world():
            far = socket.socket()
        port = int(words[1].decode().rpartition(":")[2])
        far.connect((NETWORK + str(WEB["good"][0]), port))
        _thread(_pipe, far, link)
        _pipe(link, far)
        time.sleep(1)


def _proxy_server(name, last):
    server = _socket(socket.SOCK_STREAM, last, 3128)
    server.listen(16)
    while True:
        link, _ = server.accept()
        _thread(_proxy, name, link)


def _nts_server(name, last, certificate, off):
    """Another chronyd, which sees the true time by a library that is loaded before it."""
    directory = f"/run/{name}"
    os.makedirs(directory, 0o700, exist_ok=True)
    address = NETWORK + str(last)
    with open(f"{directory}/conf", "w", encoding="ascii") as conf:
        conf.write(f"user root\nbindaddress {address}\nbindcmdaddress {directory}/s.sock\n"
                   f"cmdport 0\npidfile {directory}/pid\nlocal stratum 2\nallow\n"
                   f"ntsserverkey {HERE}/{certificate}.key\nntsdumpdir {directory}\n"
                   f"ntsservercert {HERE}/{certificate}.pem\nntsprocesses 0\n")
    env = {**os.environ, "LD_PRELOAD": f"{HERE}/truth.so",
           "TRUTH_MS": str(int((OFFSET + off) * 1000))}
    # pylint: disable-next=consider-using-with
    subprocess.Popen(["ip", "netns", "exec", "world", "chronyd", "-x", "-n", "-d", "-f",
                      f"{directory}/conf"], env=env,
                     stdout=open(f"{directory}/log", "w", encoding="ascii"),
                     stderr=subprocess.STDOUT)


def link_up(up=True):
    """The cable."""
    run("ip", "link", "set", "cable", "up" if up else "down")
    if up:
        run("ip", "route", "replace", "default", "via", NETWORK + "2", "dev", "cable")


def show(*names):
    """Only these servers are there from now on."""
    lines = ["address flush dev other", f"address add {NETWORK}2/24 dev other"]
    lines += [f"address add {NETWORK}{ADDRESSES[name]}/24 dev other" for name in names]
    subprocess.run(["ip", "-n", "world", "-batch", "-"], input="\n".join(lines) + "\n", text=True,
                   check=True)


def start():
    """The whole world, with nobody in it yet."""
    run("ip", "netns", "add", "world")
    run("ip", "link", "add", "cable", "type", "veth", "peer", "name", "other", "netns", "world")
    run("ip", "address", "add", NETWORK + "1/24", "dev", "cable")
    run("ip", "-n", "world", "link", "set", "lo", "up")
    run("ip", "-n", "world", "link", "set", "other", "up")
    # Addresses are bound before they are there.
    run("ip", "netns", "exec", "world", "sh", "-c",
        "echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind")
    link_up()
    with open("/etc/hosts", "a", encoding="ascii") as hosts:
        for name, last in ADDRESSES.items():
            hosts.write(f"{NETWORK}{last} {name}.time.test\n")
    for name, last in NTP.items():
        _thread(_ntp_server, name, last)
    for name, (last, certificate, answer) in WEB.items():
        plain = name.startswith("plain")
        _thread(_web_server, name, last, certificate, answer, 80 if plain else 443)
    for name, last in PROXIES.items():
        _thread(_proxy_server, name, last)
    for name, certificate in (("nts", "good"), ("nts-forged", "forged"),
                              ("nts-name", "wrongname"), ("nts-2099", "good")):
        _nts_server(name, NTS[name], certificate,
                    NTP_OFF["year2099"] if name == "nts-2099" else 0)
    show()
