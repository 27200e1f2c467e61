# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model that a request's body names."""

from __future__ import annotations

from .reader import read_json
from .refusals import Refusal
from .settings import ConfigError


def model_of(body: bytes | bytearray) -> str:
    """Return it; a body that two readers could read in two ways (a key given twice) refuses."""
    try:
        data = read_json(bytes(body))
    except (ConfigError, UnicodeDecodeError):
        raise Refusal("model-missing") from None
    model = data.get("model") if isinstance(data, dict) else None
    if not isinstance(model, str):
        raise Refusal("model-missing")
    return model
