# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every state that a power cut can leave config.json, its copy and the config agent's own files in
is read as the agent at boot reads it, and gone on from: old or new, never neither.

As in test_crash_states.py, whose machinery this is: recorded are the writes of the agent's own code
(hostos-agents/config, called by config.c) under Tugboot's own kernel, enumerated is what a cut can
leave of them, and each of these states is mounted and read by that kernel and that code. Then:

- config.json is what it was before the operation or what it is after it, and once the operation
  has returned, that; a text on trial is the one before it (a boot goes back);
- each file that the agent writes is the old or the new one;
- in a part of the states, the next boot goes on: config.json is repaired and written, or another
  plan is applied and taken away again, and nothing is left over that nobody knows of.
"""

import pytest
from machine import Scenario
from proof import DEPTHS, prove

STATES_MIN = 1000
TITLE = "config.json and the agent's files"

LIFE = [
    "config write b 900",
    "config write c 200",
    "config write d 3000",
    "config foreign e 700",
    "config try f 1100",
    "config confirm",
    "config try g 400",
    "config back",
    "hold",
    "config write h 600",
    "config write i 650",
    "release",
]
PLANS = ["config apply 1", "config apply 2", "config apply 3", "config apply 3", "config apply 0",
         "config apply 2"]
THEIRS = {"/etc/chrony/own.sources": "-", "/etc/ssh/fixed": "-", "/etc/hostname": "theirs",
          "/etc/udev/rules.d/56.rules": "-", "/etc/systemd/wants/unit": "-"}


def text(tag, size):
    """As config.c makes it."""
    head = f'{{"tag":"{tag}","fill":"'
    return (head + tag * (size - len(head) - 3) + '"}\n').encode()


def scenarios():
    made = []
    for fs in ("fat16", "fat32", "ext4"):
        made.append(Scenario(f"{fs} config", fs, False, {"config.json": text("a", 500)},
                             {"config": "a:500"}, LIFE))
        made.append(Scenario(f"{fs} first", fs, False, {}, {"config": "none"},
                             ["config write b 900", "config write c 950"]))
    made.append(Scenario("ext4 files", "ext4", False, {"etc/hostname": b"theirs"}, THEIRS, PLANS))
    return made


def test_no_power_cut_loses_the_old_and_the_new_configuration(show, tmp_path):
    total, wrong = prove(show, TITLE, tmp_path, scenarios(), DEPTHS["short"], every=16)
    assert total.states >= STATES_MIN
    assert (total.neither, total.stuck) == (0, 0), "\n".join(wrong)


@pytest.mark.long
def test_no_power_cut_loses_the_configuration_in_any_state(show, tmp_path):
    total, wrong = prove(show, TITLE, tmp_path, scenarios(), DEPTHS["long"], every=4,
                         most=10_000_000)
    assert (total.neither, total.stuck) == (0, 0), "\n".join(wrong)


def test_a_write_in_place_alone_is_found_to_lose_both(show, tmp_path):
    """The proof above can fail."""
    plain = Scenario("fat16 plain", "fat16", False, {"config.json": text("a", 1500)},
                     {"config": "a:1500"}, ["config plain b 1500"])
    total, _ = prove(show, TITLE, tmp_path, [plain], DEPTHS["short"], every=1000)
    assert total.neither > 0
