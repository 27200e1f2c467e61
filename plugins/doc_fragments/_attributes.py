# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # The attributes of a module that brings something into a state.
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    support: full
    description: Will return details on what has changed when in diff mode.
  idempotent:
    support: full
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
"""

    # The attributes of a module that only looks.
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    details:
      - This module does not change anything.
  diff_mode:
    support: N/A
    description: Will return details on what has changed when in diff mode.
    details:
      - This module does not change anything.
  idempotent:
    support: full
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    details:
      - This module does not change anything.
"""

    # The attributes of a module that tries something out, and leaves nothing behind.
    PROBE_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: none
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    details:
      - The module is skipped in check mode. Its traces are gone when it returns, so it never reports a change.
  diff_mode:
    support: N/A
    description: Will return details on what has changed when in diff mode.
    details:
      - There is nothing to compare.
  idempotent:
    support: full
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
"""

    # The same for one that needs no more than Docker: it makes an image out of programs of the host.
    DOCKER_PROBE = r"""
options: {}
description:
  - Needs no image. It makes one out of programs of the host, and removes everything again.
requirements:
  - a running Docker
"""
