# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests have counted is told at the end, whichever process has run them."""

import pytest


@pytest.fixture
def show(record_property):
    """Takes a text that is to be told."""
    return lambda text: record_property("shown", text)


def pytest_terminal_summary(terminalreporter):
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                if name == "shown" and report.when == "call":
                    terminalreporter.line(f"{report.nodeid.rpartition('::')[2]}: {value}")
