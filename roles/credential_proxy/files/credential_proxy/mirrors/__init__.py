# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read-only mirrors of package indexes: which files are packages, which may be fetched, and their pages rewritten."""

from __future__ import annotations
