# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One native daemon with the workloads' image for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from workloads import box


def pytest_configure(config: pytest.Config) -> None:
    # The Docker SDK drops a socket for every question that a starting daemon does not answer yet.
    config.addinivalue_line("filterwarnings", "ignore::ResourceWarning")
    config.addinivalue_line("filterwarnings", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="session")
def host() -> Iterator[box.Host]:
    with box.host() as running:
        yield running
