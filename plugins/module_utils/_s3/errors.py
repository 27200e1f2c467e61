# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error of all that speaks to S3. Note that this module util is PRIVATE to the collection."""

from __future__ import annotations


class S3Error(Exception):
    """Something that the user is told in one sentence: 'cannot ACT OBJECT: cause; what to do'.

    `code` is the server's word for it, such as NoSuchBucket; empty when no server said anything.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code
