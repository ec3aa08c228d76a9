# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every state that a power cut can leave the agents' files in is read by their own code, and
gone on from: old or new, never neither. config.json and the files that are made of it are
test_config_states.py's, the boot environment's are test_crash_states.py's; here are the others, all
on ext4, since they are on the state partition or on the root:

time       STATE/clock, the saved time
network    STATE/connections, the list, and the connections that it names
health     rollback-*-breadcrumb, rollback-*-triggered, STATE/boots, STATE/network
config     the store of certificates (/etc/ssl/certs), STATE/config.last

What else they write is in /run, and gone with the power. In each state:

- each file is what it was before the operation or what it is after it, and once the operation has
  returned, that; of the saved time also `time boot` itself is run, and the clock looked at: it is
  set to the old or the new time, so that no floor is lost; the list of connections names all that
  are there, and no other;
- in a part of the states, the next boots go on: each file is written anew, or removed, and nothing
  is left over.
"""

import pytest
from machine import Scenario
from proof import DEPTHS, prove

STATES_MIN = 1000
SAMPLE = 300  # of each agent
TITLE = "the other agents' files"

TIME = ["time save 1900000000 guess", "time save 1900003600 synced", "time save 1900007200 proven",
        "time save 1900009000 synced", "time save 1900008000 guess", "hold",
        "time save 1900012600 synced", "time save 1900016200 guess", "release"]
NETWORK = ["network import 1", "network import 2", "network import 1", "hold", "network import 4",
           "network import 3", "release"]
HEALTH = ["health record 20", "health note 1 none", "health leave B", "health note 2 running",
          "health note 2 failed", "health tell health 4", "health clear", "hold",
          "health record 35", "health forget", "health leave A", "health note 3 passed",
          "health tell altboot 5", "health leave B", "health clear", "health forget", "release"]
STORE = ["store ca 1", "store last 1 800", "store ca 2", "store last 2 1700", "store ca 0", "hold",
         "store ca 2", "store last 1 300", "release"]


CERTIFICATES = {"certificate": "-", "bundle": "0", "link": "-", "hash1": "-", "hash2": "-",
                "hash3": "-", "last": "-"}


def connection(name, number, size):
    """A key file of about that size."""
    head = f"[connection]\nid={name}\n"
    return (head + f"# {str(number) * 60}\n" * (1 + (size - len(head)) // 64)).encode()


def connections():
    """Of boot partitions by number. What is the same in two has the number of the first."""
    wanted = {0: {"theirs": (0, 400)},
              1: {"one": (1, 300), "two": (1, 1800)},
              2: {"one": (2, 1100), "three": (2, 500), "theirs": (2, 600)},
              4: {"one": (4, 200), "two": (1, 1800), "three": (4, 2500)}}
    files = {f"sources/{number}/{name}": connection(name, *what)
             for number, names in wanted.items() for name, what in names.items()}
    return {**files, "sources/3/README": b"No connections here.\n",
            "etc/NetworkManager/system-connections/theirs": connection("theirs", 0, 400)}


def certificates():
    """A store with one of the distribution's, number 9."""
    trusted = b"9" * 899 + b"\n"
    return {"etc/ca-certificates.conf": b"9.crt\n", "etc/ssl/certs/9.pem": trusted,
            "etc/ssl/certs/ca-certificates.crt": trusted,
            "usr/share/ca-certificates/9.crt": trusted}


def scenarios():
    crumbs = ("crumb", "health-breadcrumb", "altboot-breadcrumb", "health-triggered",
              "altboot-triggered")
    return [
        Scenario("ext4 time", "ext4", False, {}, {"saved": "none", "clock": "unsaved"}, TIME),
        Scenario("ext4 network", "ext4", False, connections(),
                 {"one": "-", "two": "-", "three": "-", "theirs": "0", "list": "good"}, NETWORK),
        Scenario("ext4 health", "ext4", False, {},
                 {**dict.fromkeys(crumbs, "-"), "boots": "", "network": "-"}, HEALTH),
        Scenario("ext4 store", "ext4", False, certificates(), CERTIFICATES, STORE),
    ]


def test_no_power_cut_loses_the_old_and_the_new_of_an_agents_file(show, tmp_path):
    total, wrong = prove(show, TITLE, tmp_path, scenarios(), DEPTHS["short"], every=16,
                         most=SAMPLE)
    assert total.states >= STATES_MIN
    assert (total.neither, total.stuck) == (0, 0), "\n".join(wrong)


@pytest.mark.long
def test_no_power_cut_loses_an_agents_file_in_any_state(show, tmp_path):
    total, wrong = prove(show, TITLE, tmp_path, scenarios(), DEPTHS["long"], every=4,
                         most=10_000_000)
    assert (total.neither, total.stuck) == (0, 0), "\n".join(wrong)


def test_settings_that_are_written_in_place_are_found_to_be_lost(show, tmp_path):
    """The proof above can fail."""
    plain = Scenario("ext4 plain", "ext4", False, certificates(), CERTIFICATES,
                     ["store last 1 1700", "store plain 2 1700"])
    total, _ = prove(show, TITLE, tmp_path, [plain], DEPTHS["short"], every=1000, most=100)
    assert total.neither > 0
