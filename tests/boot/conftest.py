# SPDX-License-Identifier: LGPL-2.1-or-later
"""The `boot` fixture, and what is kept of a test that failed: the console of each of its guests."""

import re

import pytest
from _pytest.runner import runtestprotocol

from harness import Boot
from harness.tools import BUILD

LAST_LINES = 40
LOGS = BUILD / "test-logs"

# A kernel counts ticks of the emulated timer while it counts its own instructions; where the host
# lets QEMU's timer wait meanwhile, it takes the timer for broken and panics. This is the host's
# doing, and tells nothing of what is tested: such a test is run again, and LOGS/run-again says
# which.
LOST_TICKS = "IO-APIC + timer doesn't work!"
RUNS_MAX = 4


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """Runs a test again when the host, not the test, stopped a guest."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for run in range(1, RUNS_MAX + 1):
        item.lost_ticks = False
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if not item.lost_ticks or run == RUNS_MAX:
            break
        with (LOGS / "run-again").open("a", encoding="utf-8") as log:
            log.write(f"{item.nodeid}: the host kept QEMU's timer waiting in run {run}\n")
        item._initrequest()  # fixtures anew, as for the first run
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


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
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / (re.sub(r"[^\w.-]+", "_", item.name) + ".log")
    text = ""
    for number, guest in enumerate(made.guests, 1):
        if len(made.guests) > 1:
            text += f"=== guest {number} ===\n"
        text += guest.console
    item.lost_ticks = LOST_TICKS in text
    path.write_text(text, encoding="utf-8")
    shown = "\n".join(text.splitlines()[-LAST_LINES:])
    report.sections.append((f"console, all of it in {path}", shown))


def pytest_terminal_summary(terminalreporter):
    """Prints what tests that count things have counted: their property `shown`."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "shown" and report.when == "call":
                terminalreporter.line(f"{report.nodeid.rpartition('::')[2]}: {value}")
    _print_matrices(terminalreporter)


def _print_matrices(terminalreporter):
    """The cells of tables: property `matrix`, (title, row, column)."""
    tables = {}
    for outcome in ("passed", "failed", "skipped"):
        for report in terminalreporter.getreports(outcome):
            for name, value in getattr(report, "user_properties", ()):
                if name == "matrix" and (report.when == "call" or outcome == "failed"):
                    title, row, column = value
                    tables.setdefault(title, {})[row, column] = outcome
    for title, cells in tables.items():
        rows = list(dict.fromkeys(row for row, _ in cells))
        columns = {column: max(len(column), len("skipped")) for _, column in cells}
        width = max(map(len, (title, *rows)))
        head = [column.ljust(size) for column, size in columns.items()]
        terminalreporter.line("  ".join([title.ljust(width), *head]).rstrip())
        for row in rows:
            line = [cells.get((row, column), "-").ljust(size) for column, size in columns.items()]
            terminalreporter.line("  ".join([row.ljust(width), *line]).rstrip())
