# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error that this program shows to its user."""

from __future__ import annotations


class VmError(Exception):
    """Something that the user can understand and cure; the text is ``cannot ACT OBJECT: cause; what to do``."""
