# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # What every module that talks to Docker needs.
    DOCUMENTATION = r"""
options:
  docker_host:
    description: Address of the Docker daemon. It must be on the target itself, since its kernel is asked as well.
    type: str
    default: unix:///var/run/docker.sock
requirements:
  - Docker 20.10 or later on the target
  - Python library C(docker) 5.0 or later on the target (Debian package C(python3-docker))
  - root on the target
"""
