# SPDX-License-Identifier: LGPL-2.1-or-later
"""The `boot` fixture, and what is kept of a test that failed: the console of each of its guests."""

import re

import pytest

from harness import Boot
from harness.tools import BUILD

LAST_LINES = 40


@pytest.fixture
def boot(tmp_path):
    """Disks and guests for one test; nothing of it is left running."""
    made = Boot(tmp_path)
    yield made
    for guest in made.guests:
        guest.stop()
    # Images are large and sparse; the console log says what there is to know.
    for image in tmp_path.glob("*.img"):
        image.unlink()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Keeps the consoles of a failed test and shows their ends."""
    outcome = yield
    report = outcome.get_result()
    made = getattr(item, "funcargs", {}).get("boot")
    if call.when != "call" or not report.failed or made is None:
        return
    logs = BUILD / "test-logs"
    logs.mkdir(parents=True, exist_ok=True)
    path = logs / (re.sub(r"[^\w.-]+", "_", item.name) + ".log")
    text = ""
    for number, guest in enumerate(made.guests, 1):
        if len(made.guests) > 1:
            text += f"=== guest {number} ===\n"
        text += guest.console
    path.write_text(text, encoding="utf-8")
    shown = "\n".join(text.splitlines()[-LAST_LINES:])
    report.sections.append((f"console, all of it in {path}", shown))
