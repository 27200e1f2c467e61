# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: the proxy as a real process in front of a recording upstream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from credential_proxy.settings import REACHES
from proxy_stand import KEY, Certificates, Proxy, Recorder


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Make the authority once."""
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def recorder(certificates: Certificates) -> Iterator[Recorder]:
    """Run a recording upstream."""
    server = Recorder(certificates)
    yield server
    server.close()


@pytest.fixture
def proxy(certificates: Certificates, recorder: Recorder) -> Iterator[Proxy]:
    """Run the service in front of the recorder."""
    service = Proxy(certificates, recorder.port)
    service.start()
    yield service
    service.clean_up()


@pytest.fixture
def make_proxy(certificates: Certificates) -> Iterator[Callable[..., Proxy]]:
    """Make services with settings of their own; the caller starts them."""
    made: list[Proxy] = []

    def make(port: int, **route: Any) -> Proxy:
        made.append(Proxy(certificates, port, **route))
        return made[-1]

    yield make
    for service in made:
        service.clean_up()


@pytest.fixture
def streaming(make_proxy: Callable[..., Proxy], recorder: Recorder) -> Proxy:
    """Run a service that looks into no prompt, so that any body passes, and passes as it arrives."""
    service = make_proxy(recorder.port, provider_reach=list(REACHES))
    service.start()
    return service


@pytest.fixture(scope="session")
def real_key() -> str:
    """Return the credential that only the upstream may see."""
    return KEY


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Return the request corpora made by others."""
    return Path(__file__).resolve().parent / "corpora"
