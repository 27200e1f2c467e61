# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The credential proxy: the only door out of a workspace; it adds the secret that the workspace must not have.

The decisions (parsing, policy, framing, audit records) are pure and hold no socket. ``reactor`` and the files above it
move the bytes.
"""

from __future__ import annotations

# The collection's, of galaxy.yml.
__version__ = "3.0.0"
