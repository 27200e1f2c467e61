# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import textwrap

# How to reach a server: options of their own in some modules, suboptions in others.
_ACCESS = """
endpoint_url:
  description: Address of an S3 server other than AWS.
  type: str
  default: ''
region:
  description: Region of the bucket.
  type: str
  default: ''
profile:
  description: Name of a profile in the AWS configuration files.
  type: str
  default: ''
access_key:
  description: Access key. Without it, the profile or the environment is used.
  type: str
  default: ''
secret_key:
  description: Secret key that belongs to the access key.
  type: str
  default: ''
session_token:
  description: Session token for temporary credentials.
  type: str
  default: ''
ca_bundle:
  description: Path of a file with the certificates to trust.
  type: path
  default: ''
instance_metadata:
  description: Whether credentials may be asked from the metadata service of a cloud machine.
  type: bool
  default: false
connect_timeout:
  description: Seconds to wait for a connection.
  type: int
  default: 5
read_timeout:
  description: Seconds to wait for an answer.
  type: int
  default: 20
attempts:
  description: How often a request is tried in all.
  type: int
  default: 3
"""


class ModuleDocFragment:
    # With a type each: the YAML check of ansible-test stumbles over a plain assignment that is no literal.
    # What every module that talks to an S3 server needs.
    DOCUMENTATION: str = f"""
options:
{textwrap.indent(_ACCESS, "  ")}
requirements:
  - Python library C(boto3) 1.26 or later (Debian package C(python3-boto3))
"""

    # The option of a module that saves /workspace before it removes it.
    ARCHIVE: str = f"""
options:
  archive:
    description:
      - Where the files of C(/workspace) are saved before they are removed, as
        M(bulkhead.workspace.workspace_archive) does it. What could not be saved is not removed.
      - Needs the Python library C(boto3) and the program C(zstd) on the target.
    type: dict
    suboptions:
      bucket:
        description: Name of the bucket. It must exist.
        type: str
        required: true
      prefix:
        description: What the keys begin with, before the conversation's identifier.
        type: str
        default: workspaces/
      size_limit:
        description: Refuse to save more than this, such as V(5g). An empty string means no limit.
        type: str
        default: 5g
      credentials_found:
        description: What a credential file in the workspace leads to, V(refuse) or only V(report) as a warning.
        type: str
        choices: [refuse, report]
        default: refuse
      compression_level:
        description: Level of C(zstd), 1 to 19.
        type: int
        default: 3
{textwrap.indent(_ACCESS, "      ")}
"""
