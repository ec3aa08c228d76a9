# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults of time, put on the real agent and the real chronyd: runs in the guest.

Each fault is a clock, an RTC, a saved time and servers, and what shall come of it. The clock is
sampled against CLOCK_BOOTTIME all the while: it must never be below its floor, nor beyond the
ceiling without authenticated evidence, whatever else happens.

    timefaults.py quick|long|NAME...     prints a line for each, and `end PASSED FAILED`
"""

import fcntl
import json
import os
import struct
import subprocess
import sys
import threading
import time
import zlib
from dataclasses import dataclass

import timeworld as world

BUILD = 1788220800  # 2026-09-01, in /etc/timestamp
YEAR = 31556952
CEILING = 10 * YEAR
TRUTH = world.TRUTH_START
STATE = "/mnt/state/tugboot"
STATUS = "/run/tugboot/status"
SETTINGS = "/run/tugboot/time.settings"
SOURCES = "/etc/chrony/sources.d/tugboot.sources"
Y1970, Y2099 = 1000, 4070908800
RTC_SET_TIME, RTC_RD_TIME = 0x4024700A, 0x80247009
WITHIN = 30  # seconds from an honest authenticated source to the true time
UNITS = ("tugboot-time.service", "tugboot-time-https.service", "chrony.service")


@dataclass
class Fault:
    """One line of the table. Times are seconds since 1970; callables are called."""

    name: str
    clock: float = BUILD + 3600
    rtc: float = Y1970
    saved: object = None  # a time; (time, proven, synced); bytes as they are; None: no file
    build: object = BUILD  # of /etc/timestamp; bytes as they are; None: no file
    boot: float = None  # what the clock is after `time boot`; None: as it was
    rtc_kept: bool = False
    web: str = None  # the name of the server of connectivity.uri
    settings: str = ""  # further lines
    ntp: tuple = ()  # names of servers
    up: tuple = None  # which are there from the start; None: all
    proxy: str = None
    then: object = None  # called when the agent runs
    result: str = "truth"  # or stays, or only: the boot part
    says: object = ""  # what the status files say in the end: a part, or several
    within: float = WITHIN
    hold: float = 0  # how long it has to stay so
    floor: float = None
    checks: object = None
    long: bool = False


def now():
    """What the system's clock says."""
    return time.clock_gettime(time.CLOCK_REALTIME)


def set_clock(when):
    """As `date` does."""
    time.clock_settime(time.CLOCK_REALTIME, when)


def reset_frequency():
    """What a chronyd before this one made of the clock's speed."""
    timex = bytearray(208)
    struct.pack_into("=I", timex, 0, 0x4002)  # ADJ_FREQUENCY, ADJ_TICK
    struct.pack_into("=q", timex, 88, 10000)
    world.adjtimex(timex)


def set_rtc(when):
    """As hwclock does, in UTC."""
    t = time.gmtime(when)
    with open("/dev/rtc0", "rb") as rtc:
        fcntl.ioctl(rtc, RTC_SET_TIME, struct.pack(
            "9i", t.tm_sec, t.tm_min, t.tm_hour, t.tm_mday, t.tm_mon - 1, t.tm_year - 1900,
            0, 0, 0))


def get_rtc():
    """What it says now."""
    with open("/dev/rtc0", "rb") as rtc:
        t = struct.unpack("9i", fcntl.ioctl(rtc, RTC_RD_TIME, bytes(36)))
    return time.mktime((t[5] + 1900, t[4] + 1, t[3], t[2], t[1], t[0], 0, 0, 0)) - time.timezone


def saved_text(when, proven=None, synced=None):
    """A whole file of the agent."""
    text = "tugboot-time 1\n"
    for name, value in (("time", when), ("proven", proven), ("synced", synced)):
        text += f"{name}={'none' if value is None else int(value * 1000)}\n"
    return f"{text}crc32={zlib.crc32(text.encode()):08x}\n".encode()


def put(path, data):
    """Writes a file, or takes it away."""
    if data is None:
        if os.path.exists(path):
            os.unlink(path)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(data if isinstance(data, bytes) else data.encode())


def status():
    """All status files of the agent as one text."""
    text = ""
    for name in ("time.boot", "time", "time.https"):
        try:
            with open(f"{STATUS}/{name}", encoding="ascii") as lines:
                text += "".join(f"{name}: {line}" for line in lines)
        except FileNotFoundError:
            pass
    return text


def is_said(says):
    """Is all of it in the status files?"""
    text = status()
    return all(part in text for part in ((says,) if isinstance(says, str) else says))


class Watcher:
    """Looks at the clock all the time."""

    def __init__(self, floor, ceiling):
        self.floor, self.ceiling = floor, ceiling
        self.bad, self.steps = "", []
        self._end = False
        self._last = now() - time.clock_gettime(time.CLOCK_BOOTTIME)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def forget(self):
        """What comes now is the test's own doing."""
        self._last = None

    def _run(self):
        low = high = 0
        last = False
        while not last:
            last = self._end
            clock = now()
            base = clock - time.clock_gettime(time.CLOCK_BOOTTIME)
            if self._last is not None and abs(base - self._last) > 0.5:
                self.steps.append(round(base - self._last))
            self._last = base
            # Somebody else's setting is undone, but not before it was made.
            low = low + 1 if clock < self.floor - 1 else 0
            high = high + 1 if clock > self.ceiling else 0
            if low > 20 or high > 20:
                self.bad = f"clock at {clock:.0f}, floor {self.floor:.0f}, " \
                    f"ceiling {self.ceiling:.0f}"
            time.sleep(0.05)

    def end(self):
        """Stops, and says what was wrong."""
        self._end = True
        self._thread.join()
        return self.bad


def systemctl(*words):
    """Has to succeed."""
    world.run("systemctl", *words)


def prepare(fault):
    """From here on the past is as the fault has it; returns when it began."""
    systemctl("stop", *UNITS)
    subprocess.run(["systemctl", "reset-failed"], check=False)
    for name in ("time", "time.boot", "time.https", "time.anchor"):
        put(f"{STATUS}/{name}", None)
    world.run("sh", "-c", f"rm -rf {STATE} /var/lib/chrony/* /run/chrony-dhcp/*")
    os.makedirs(STATE)
    saved = fault.saved
    if callable(saved):
        saved(f"{STATE}/clock")
    elif saved is not None and not isinstance(saved, bytes):
        saved = saved_text(*(saved if isinstance(saved, tuple) else (saved,)))
    if not callable(saved):
        put(f"{STATE}/clock", saved)
    build = fault.build
    if build is not None and not isinstance(build, bytes):
        build = time.strftime("%Y%m%d%H%M%S\n", time.gmtime(build))
    put("/etc/timestamp", build)
    settings = "connectivity_off=yes\n"
    if fault.web:
        scheme = "http" if fault.web.startswith("plain") else "https"
        settings = f"connectivity_uri={scheme}://{fault.web}.time.test/check\n{fault.settings}"
    put(SETTINGS, settings)
    lines = ""
    for name in fault.ntp:
        host = f"{name}.time.test" if name.startswith("nts") else \
            world.NETWORK + str(world.NTP[name])
        lines += f"server {host} iburst minpoll 14 maxpoll 14"
        lines += " nts\n" if name.startswith("nts") else "\n"
    put(SOURCES, lines or None)
    put("/run/systemd/system/tugboot-time-https.service.d/proxy.conf", None if not fault.proxy else
        f"[Service]\nEnvironment=https_proxy=http://{fault.proxy}.time.test:3128\n")
    if fault.proxy or fault.name.startswith("proxy"):
        systemctl("daemon-reload")
    names = [name if name.startswith("nts") else f"ntp-{name}" for name in fault.ntp]
    names += [name for name in (fault.web, fault.proxy) if name]
    world.show(*(names if fault.up is None else fault.up))
    reset_frequency()
    set_rtc(fault.rtc)
    set_clock(fault.clock)
    return time.monotonic()


def boot(fault, since):
    """`time boot`; what is wrong with it. Clock and RTC have run since then."""
    systemctl("restart", "tugboot-time-boot.service")
    expected = fault.clock if fault.boot is None else fault.boot
    if not expected - 2 < now() < expected + time.monotonic() - since + 3:
        return f"clock after boot {now():.0f}, expected {expected:.0f}\n{status()}"
    if fault.result == "only" and not is_said(fault.says):
        return f"expected '{fault.says}' in\n{status()}"
    return ""


def is_right(fault, boot_base):
    """Does the clock say what it shall?"""
    clock = now()
    if fault.result == "truth":
        return abs(clock - world.truth()) < 2
    if fault.result == "far":
        return abs(clock - 2208988800) < 60  # 2040
    return abs(clock - (boot_base + time.clock_gettime(time.CLOCK_BOOTTIME))) < 2


def live(fault, watcher):
    """With chronyd, the agent and the network; what is wrong, and how long it took."""
    boot_base = now() - time.clock_gettime(time.CLOCK_BOOTTIME)
    start = time.monotonic()
    if fault.ntp:
        systemctl("start", "--no-block", "chrony.service")
    systemctl("start", "tugboot-time.service")
    if fault.then:
        start = fault.then(watcher) or time.monotonic()
    while not (is_right(fault, boot_base) and is_said(fault.says)):
        if time.monotonic() - start > fault.within:
            return f"not within {fault.within} s: clock {now():.0f}, truth {world.truth():.0f}, " \
                f"steps {watcher.steps}\n{status()}", 0
        time.sleep(0.1)
    took = time.monotonic() - start
    end = time.monotonic() + fault.hold
    while time.monotonic() < end:
        time.sleep(0.2)
        if not is_right(fault, boot_base):
            return f"did not last: clock {now():.0f}, steps {watcher.steps}\n{status()}", took
    if fault.checks:
        return fault.checks() or "", took
    return "", took


def play(fault):
    """The whole of a fault: what was wrong (empty: nothing), seconds, steps."""
    wrong = boot(fault, prepare(fault))
    if wrong or fault.result == "only":
        return wrong, 0, []
    floor = fault.floor or (fault.build if isinstance(fault.build, (int, float)) else 0)
    far = any(word in fault.name for word in ("far",))
    watcher = Watcher(floor, floor + (100 * YEAR if far else CEILING + YEAR / 12))
    wrong, took = live(fault, watcher)
    return watcher.end() or wrong, took, watcher.steps


def main(words):
    """Plays what is asked for."""
    from timetable import TABLE  # pylint: disable=import-outside-toplevel

    world.start()
    failed = passed = 0
    for fault in TABLE:
        if not (fault.name in words or ("long" if fault.long else "quick") in words):
            continue
        began = time.monotonic()
        try:
            wrong, took, steps = play(fault)
        except RuntimeError as error:
            wrong, took, steps = str(error), 0, []
        failed += bool(wrong)
        passed += not wrong
        print("fault " + json.dumps({
            "name": fault.name, "result": fault.result, "seconds": round(took, 1), "steps": steps,
            "all": round(time.monotonic() - began, 1), "wrong": wrong}), flush=True)
        if wrong:
            print(subprocess.run(["journalctl", "-b", "-n", "40", "--no-pager", "-o", "cat"],
                                 stdout=subprocess.PIPE, text=True, check=False).stdout,
                  flush=True)
    set_clock(world.truth())
    print(f"end {passed} {failed}", flush=True)
    os._exit(0)  # threads of servers wait for ever


if __name__ == "__main__":
    main(sys.argv[1:])
