# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model that a request's body names."""

from __future__ import annotations

from .prompt import Json
from .refusals import Refusal


def model_of(prompt: Json) -> str:
    """Return it; a prompt that two readers could read in two ways (the key given twice, in any case) refuses."""
    pairs = prompt if isinstance(prompt, tuple) else ()
    models = [value for key, value in pairs if key.lower() == "model"]
    if len(models) != 1 or not isinstance(models[0], str):
        raise Refusal("model-missing")
    return models[0]
