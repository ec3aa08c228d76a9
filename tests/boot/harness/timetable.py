# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of faults that timefaults.py plays in the guest."""

import os
import subprocess
import time

import timeworld as world
from timefaults import (BUILD, STATE, TRUTH, Y1970, Y2099, YEAR, Fault, get_rtc, saved_text,
                        set_clock, status, systemctl)

DAY = 86400
SAVED = BUILD + 30 * DAY  # in good order, and in the past
# What a system without /etc/timestamp goes by.
RELEASE = max(1735689600, os.stat("/usr/lib/os-release").st_mtime)
HONEST = ("honest1", "honest2", "honest3")
FALSE = ("ahead1", "ahead2", "ahead3")


def torn(text):
    """As a cut left it."""
    return text[:len(text) // 2]


def flipped(text):
    """One bit of the time is another one."""
    return text[:24] + bytes([text[24] ^ 1]) + text[25:]


def rtc_is_true():
    """It was written."""
    off = get_rtc() - world.truth()
    return "" if abs(off) < 3 else f"the RTC is {off:.0f} s off"


def rtc_is_old():
    """It was not."""
    return "" if get_rtc() < Y1970 + DAY else "the RTC was written"


def synced(seconds=25):
    """Waits until chronyd keeps the clock, and the agent says so."""
    end = time.monotonic() + seconds
    while "synced=yes" not in status():
        if time.monotonic() > end:
            raise RuntimeError(f"not synchronised within {seconds} s\n{status()}")
        time.sleep(0.1)


def skew(by):
    """Somebody sets the clock once it is kept."""
    def do(watcher):
        synced()
        watcher.forget()
        set_clock(world.truth() + by)
    return do


def to(when):
    """The same, to a time."""
    def do(watcher):
        synced()
        watcher.forget()
        set_clock(when)
    return do


def appear(*names):
    """These come up after a while, and nothing else tells of it."""
    def do(_):
        time.sleep(4)
        world.show(*names)
    return do


def plugged(*names):
    """The cable is plugged in after a while."""
    def do(_):
        world.link_up(False)
        time.sleep(4)
        world.show(*names)
        world.link_up()
    return do


def stopped(_):
    """chronyd hangs before it has asked anybody."""
    time.sleep(1)
    subprocess.run(["systemctl", "kill", "-s", "STOP", "chrony.service"], check=True)


def wait_returns():
    """What is ordered after time-sync.target is not held."""
    began = time.monotonic()
    systemctl("restart", "tugboot-time-wait.service")
    took = time.monotonic() - began
    return "" if took < 10 else f"services were held for {took:.0f} s"


def saved_is(kind, at_least):
    """What was saved at the end."""
    def check():
        systemctl("stop", "tugboot-time.service")
        with open(f"{STATE}/clock", encoding="ascii") as lines:
            values = dict(line.strip().split("=") for line in list(lines)[1:])
        value = values[kind]
        good = value != "none" and abs(int(value) / 1000 - at_least()) < 30
        return "" if good else f"saved: {values}, expected {kind} of {at_least():.0f}"
    return check


def proven_is_not(limit):
    """Nobody could lift the hard floor."""
    def check():
        systemctl("stop", "tugboot-time.service")
        with open(f"{STATE}/clock", encoding="ascii") as lines:
            values = dict(line.strip().split("=") for line in list(lines)[1:])
        bad = values["proven"] != "none" and int(values["proven"]) / 1000 > limit
        return f"saved: {values}" if bad else ""
    return check


AT_BOOT = [
    Fault("no time at all", clock=Y1970, boot=BUILD, says="below the build time"),
    Fault("RTC at 2099", clock=Y1970, rtc=Y2099, boot=BUILD, says="rtc_verdict=more than ten"),
    Fault("clock and RTC at 2099", clock=Y2099, rtc=Y2099, boot=BUILD, says="set=yes"),
    Fault("clock and RTC at 2099, saved", clock=Y2099, rtc=Y2099, saved=SAVED, boot=SAVED,
          says="source=saved"),
    Fault("saved time", clock=Y1970, saved=SAVED, boot=SAVED, says="source=saved"),
    Fault("saved time 'tomorrow'", clock=Y1970, saved=b"tomorrow\n", boot=BUILD,
          says="saved_verdict=torn, or not ours"),
    Fault("saved time torn", clock=Y1970, saved=torn(saved_text(SAVED)), boot=BUILD,
          says="saved_verdict=torn, or not ours"),
    Fault("saved time with a bit flipped", clock=Y1970, saved=flipped(saved_text(SAVED)),
          boot=BUILD, says="saved_verdict=torn, or not ours"),
    Fault("saved time empty", clock=Y1970, saved=b"", boot=BUILD, says="torn, or not ours"),
    Fault("saved time 2099", clock=Y1970, saved=Y2099, boot=BUILD,
          says="saved_verdict=more than ten"),
    Fault("saved floor 2099", clock=Y1970, saved=(SAVED, None, Y2099), boot=SAVED),
    Fault("saved time below the build", clock=Y1970, saved=BUILD - DAY, boot=BUILD,
          says="saved_verdict=below"),
    Fault("saved time is a pipe", clock=Y1970, saved=os.mkfifo, boot=BUILD,
          says="saved_verdict=torn, or not ours"),
    Fault("saved time is a directory", clock=Y1970, saved=os.mkdir, boot=BUILD,
          says="saved_verdict=torn, or not ours"),
    Fault("RTC ahead of saved", clock=Y1970, saved=SAVED, rtc=SAVED + DAY, boot=SAVED + DAY,
          says="source=rtc"),
    Fault("RTC behind saved", clock=Y1970, saved=SAVED, rtc=SAVED - DAY, boot=SAVED,
          says="source=saved"),
    Fault("RTC nine years ahead", clock=Y1970, rtc=BUILD + 9 * YEAR, boot=BUILD + 9 * YEAR,
          says="source=rtc"),
    Fault("RTC eleven years ahead", clock=Y1970, rtc=BUILD + 11 * YEAR, boot=BUILD,
          says="rtc_verdict=more than ten"),
    Fault("RTC below a proven time", clock=Y1970, saved=(SAVED, SAVED + DAY, None),
          rtc=SAVED, boot=SAVED + DAY, says="rtc_verdict=below"),
    Fault("no build time", clock=Y1970, build=None, saved=RELEASE + DAY, boot=RELEASE + DAY),
    Fault("build time senseless", clock=Y1970, build=b"yesterday\n", boot=RELEASE,
          says="source=build"),
    Fault("clock is good", clock=SAVED, rtc=SAVED, saved=SAVED - DAY, says="set=no"),
]
for _fault in AT_BOOT:
    _fault.result = "only"

HTTPS = [
    Fault("HTTPS", web="good", says="trust=authenticated", checks=rtc_is_true),
    Fault("HTTPS after RTC at 2099", clock=Y2099, rtc=Y2099, boot=BUILD, web="good",
          checks=rtc_is_true),
    Fault("HTTPS forged", web="forged", result="stays", says="result=failed", checks=rtc_is_old),
    Fault("HTTPS self-signed", web="selfsigned", result="stays", says="result=failed"),
    Fault("HTTPS expired", web="expired", result="stays", says="certificates are valid from"),
    Fault("HTTPS not yet valid", web="early", result="stays", says="certificates are valid from"),
    Fault("HTTPS with another name", web="wrongname", result="stays", says="result=failed"),
    Fault("HTTPS date beyond the certificate", web="beyond", result="stays",
          says="certificates are valid from"),
    Fault("HTTPS date below the floor", web="old", result="stays", says="result=refused"),
    Fault("HTTPS without a date", web="nodate", result="stays", says="no Date"),
    Fault("HTTPS with a senseless date", web="baddate", result="stays", says="no valid Date"),
    Fault("HTTPS with two dates", web="twice", says="result=ok"),
    Fault("HTTPS far beyond the ceiling", web="far", result="only"),
    Fault("HTTPS expected text", web="text", settings="connectivity_response=online\n"),
    Fault("HTTPS other text than expected", web="login",
          settings="connectivity_response=online\n", result="stays", says="a captive portal"),
    Fault("HTTPS a flood", web="flood", settings="connectivity_response=online\n",
          result="stays", says="result=failed"),
    Fault("portal redirects", web="redirect", result="stays", says="status 302"),
    Fault("portal shows its page", web="login", result="stays", says="status 200"),
    Fault("portal without TLS", web="plainportal", result="stays", says="status 302"),
    Fault("proxy", web="good", proxy="proxy", says="trust=authenticated"),
    Fault("proxy says 200 and a date", web="good", proxy="proxyliar", result="stays",
          says="result=failed"),
    Fault("proxy no more", web="good", up=("good",)),
    Fault("HTTP unauthenticated", web="plain", says="trust=network", checks=rtc_is_old),
    Fault("HTTP at 2099", web="plain2099", result="stays", says="result=refused"),
    Fault("HTTP below the floor", web="plainold", result="stays", says="result=refused"),
    Fault("HTTPS off", result="stays", says="https=off", checks=wait_returns),
    Fault("HTTPS appears", web="good", up=(), then=appear("good")),
    Fault("cable plugged in", web="good", up=(), then=plugged("good")),
]
_FAR = next(fault for fault in HTTPS if "far" in fault.name)
_FAR.result, _FAR.says, _FAR.within = "far", "result=ok", 20

NTP = [
    Fault("NTP in an air gap", ntp=HONEST[:1], says="synced=yes", checks=rtc_is_true),
    Fault("NTP after RTC at 2099", clock=Y2099, rtc=Y2099, boot=BUILD, ntp=HONEST,
          says="synced=yes", checks=proven_is_not(BUILD), long=True),
    Fault("NTP at 2099", ntp=("year2099",), result="stays", says="more than ten years beyond"),
    Fault("NTP below the floor", ntp=("old",), result="stays", says="below the build time"),
    Fault("NTP below a floor of NTP", clock=TRUTH, saved=(TRUTH, None, TRUTH), ntp=("yesterday",),
          result="stays", says="below the time that was kept", floor=TRUTH - 60),
    Fault("one falseticker", ntp=(*HONEST, "ahead1"), says="falsetickers=1"),
    Fault("falsetickers disagree", ntp=("year2099", "ahead1"), result="stays", within=40,
          says="falsetickers=2", hold=3, long=True),
    Fault("NTS", ntp=("nts",), says=("trust=authenticated", "synced=yes"),
          checks=saved_is("proven", world.truth)),
    Fault("NTS forged", ntp=("nts-forged",), result="stays", says="reachable=0", hold=8),
    Fault("NTS with another name", ntp=("nts-name",), result="stays", says="reachable=0",
          hold=8, long=True),
    Fault("NTS at 2099", ntp=("nts-2099",), result="stays", says="more than ten years beyond"),
    Fault("NTS against falsetickers", ntp=("nts", *FALSE),
          says=("trust=authenticated", "synced=yes"), hold=3),
    Fault("HTTPS against falsetickers", web="good", ntp=FALSE, hold=8, within=45,
          says="other than the authenticated time"),
    Fault("HTTPS hangs, NTP does not", web="hang", ntp=HONEST, says="synced=yes"),
    Fault("port 123 blocked", web="good", ntp=HONEST, up=("good",), says="reachable=0", hold=2),
    Fault("port 123 blocked for a while", ntp=("nts",), up=(), then=appear("nts"),
          says="trust=authenticated"),
    Fault("port 123 blocked, a poll is forced", ntp=HONEST, up=(), result="stays",
          says=("synced=no", "polls=2"), within=60),
    Fault("NTP server says no", ntp=("kiss",), result="stays", says="synced=no", hold=6,
          long=True),
    Fault("two minutes behind", ntp=("nts",), then=skew(-120), says="synced=yes", hold=2),
    Fault("two minutes behind, plain NTP", ntp=HONEST, then=skew(-120), says="synced=yes", hold=2,
          long=True),
    Fault("two minutes ahead", ntp=HONEST, then=skew(120), says="synced=yes", hold=2, long=True),
    Fault("five seconds behind", ntp=("nts",), then=skew(-5), says="synced=yes", hold=2,
          long=True),
    Fault("set to 1970 by somebody", ntp=("nts",), then=to(Y1970), says="synced=yes", within=15,
          hold=2),
    Fault("set to 2099 by somebody", ntp=("nts",), then=to(Y2099), says="synced=yes", within=15,
          hold=2, long=True),
    Fault("chronyd hangs", ntp=("nts",), then=stopped, says="restarts=1", within=60,
          long=True),
]

TABLE = AT_BOOT + HTTPS + NTP

# A sample is for every run: of some that are much alike, one.
_ALIKE = (
    "clock and RTC at 2099", "saved time with a bit flipped", "saved time empty",
    "saved time is a directory", "saved time below the build", "RTC ahead of saved",
    "RTC nine years ahead", "build time senseless", "HTTPS after RTC at 2099",
    "HTTPS self-signed", "HTTPS not yet valid", "HTTPS without a date", "HTTPS with two dates",
    "HTTPS other text than expected", "portal redirects", "portal without TLS", "proxy no more",
    "HTTP below the floor", "HTTPS appears", "NTP at 2099", "port 123 blocked for a while",
)
for _name in _ALIKE:
    next(fault for fault in TABLE if fault.name == _name).long = True
