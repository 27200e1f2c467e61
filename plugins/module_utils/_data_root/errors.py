# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error of this package. Note that this module util is PRIVATE to the collection."""

from __future__ import annotations


class DataRootError(Exception):
    """Something could not be done; the text reads "cannot ACT OBJECT: cause; what to do"."""
