# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS guard against every spelling of an address that is not public."""

from __future__ import annotations

import pytest
from credential_proxy.addresses import is_public, vetted
from credential_proxy.refusals import Refusal


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
        ),
        *(
            "100.100.100.200",
            "192.0.0.192",
            "198.18.0.1",
            "192.0.2.1",
            "203.0.113.7",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
        ),
        *("255.255.255.255", "168.63.129.16"),
        *(
            "::",
            "::1",
            "fe80::1",
            "fe80::1%eth0",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "100::1",
            "3fff::1",
        ),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.1"),
        *("2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:1::1", "64:ff9b:1::8.8.8.8", "5f00::1"),
        *("", "localhost", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "1.1.1.1 ", "[2606:4700::1]"),
    ],
)
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "160.79.104.10", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"],
)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("answers", [["1.1.1.1", "127.0.0.1"], ["10.0.0.1"], []])
def test_one_bad_answer_refuses_all(answers: list[str]) -> None:
    with pytest.raises(Refusal) as caught:
        vetted(answers)
    assert caught.value.rule == "address-guard"
