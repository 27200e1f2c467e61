#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: the lifecycle configuration of an S3 bucket as desired state."""

from __future__ import annotations

DOCUMENTATION = r"""
module: s3_bucket_lifecycle
short_description: Keep the lifecycle rules of an S3 bucket
version_added: 1.0.0
description:
  - Merges lifecycle rules into the configuration of a bucket by their ids, in one read and at most one write.
  - Rules with other ids stay as they are, unless O(absent_ids) names them or O(purge_rules) is set.
  - Refuses rules that contradict themselves or each other before anything is sent, since many servers do not.
  - Reads the configuration back after writing it. If the server dropped something, the former one is restored.
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
extends_documentation_fragment:
  - bulkhead.workspace._s3
attributes:
  check_mode:
    support: full
    description: Tells what would change without changing it.
  diff_mode:
    support: full
    description: Shows versioning and rules before and after, in one normal form.
  idempotent:
    support: full
    description: Does nothing when the bucket has the rules already, in whatever spelling.
options:
  bucket:
    description: Name of the bucket. It must exist.
    type: str
    required: true
  rules:
    description: The rules that the bucket must have.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: Name of the rule, its key when merging.
        type: str
        required: true
      enabled:
        description: Whether the rule acts.
        type: bool
        default: true
      prefix:
        description: Only objects whose keys begin with this.
        type: str
        default: ''
      tags:
        description: Only objects with all of these tags.
        type: dict
      object_size_greater_than:
        description: Only objects with more bytes than this.
        type: int
      object_size_less_than:
        description: Only objects with fewer bytes than this.
        type: int
      expiration_days:
        description:
          - Days after its creation on which an object ends.
          - In a bucket with versioning it only becomes an old version then.
        type: int
      expired_object_delete_marker:
        description: Whether delete markers without any version behind them are removed.
        type: bool
      noncurrent_expiration_days:
        description: Days after which an old version is deleted.
        type: int
      newer_noncurrent_versions:
        description: How many newer old versions stay, whatever their age.
        type: int
      transitions:
        description: Moves of objects to other storage classes.
        type: list
        elements: dict
        suboptions:
          days:
            description: Days after the creation of the object.
            type: int
            required: true
          storage_class:
            description:
              - Name of the class, one of V(STANDARD_IA), V(INTELLIGENT_TIERING), V(ONEZONE_IA), V(GLACIER_IR),
                V(GLACIER) and V(DEEP_ARCHIVE).
            type: str
            required: true
      noncurrent_transitions:
        description: Moves of old versions to other storage classes.
        type: list
        elements: dict
        suboptions:
          days:
            description: Days after the version became old.
            type: int
            required: true
          storage_class:
            description: Name of the class.
            type: str
            required: true
          newer_noncurrent_versions:
            description: How many newer old versions stay where they are.
            type: int
      abort_incomplete_multipart_upload_days:
        description: Days after which an upload that was never completed is removed.
        type: int
  absent_ids:
    description: Ids of rules that the bucket must not have.
    type: list
    elements: str
    default: []
  purge_rules:
    description: Whether all rules that are not in O(rules) are removed.
    type: bool
    default: false
  versioning:
    description: Whether versioning is switched on if it is not. It is never switched off.
    type: bool
    default: true
  transition_default_minimum_object_size:
    description:
      - Which objects under 128 KB AWS leaves out of transitions, for rules without a filter on size. With
        V(all_storage_classes_128K) all of them, with V(varies_by_storage_class) those that would go elsewhere than
        to V(GLACIER) and V(DEEP_ARCHIVE).
      - Without it, what the bucket has stays; a new bucket has V(all_storage_classes_128K). See
        RV(transition_default_minimum_object_size).
    type: str
    choices: [all_storage_classes_128K, varies_by_storage_class]
  forecast:
    description: Objects to foretell; see RV(forecast).
    type: list
    elements: dict
    default: []
    suboptions:
      key:
        description: Key of the object.
        type: str
        required: true
      size:
        description: Its size in bytes.
        type: int
        required: true
      tags:
        description: Its tags.
        type: dict
        default: {}
  wait_timeout:
    description: Seconds to wait until the server shows what was written.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Keep old versions for 30 days and everything for 270
  bulkhead.workspace.s3_bucket_lifecycle:
    bucket: my-workspaces
    rules:
      - id: old-versions
        prefix: workspaces/
        noncurrent_expiration_days: 30
      - id: end
        prefix: workspaces/
        expiration_days: 270

- name: Take the rules away again
  bulkhead.workspace.s3_bucket_lifecycle:
    bucket: my-workspaces
    absent_ids: [old-versions, end]
    versioning: false
"""

RETURN = r"""
rules:
  description: All rules of the bucket by id, in normal form, after the change (or as they would be, in check mode).
  returned: success
  type: dict
  sample: {"end": {"ID": "end", "Status": "Enabled", "Filter": {"Prefix": "workspaces/"}, "Expiration": {"Days": 270}}}
versioning:
  description: Versioning of the bucket after the change.
  returned: success
  type: str
  sample: Enabled
transition_default_minimum_object_size:
  description:
    - Which objects under 128 KB stay out of transitions of rules without a filter on size, the default of AWS made
      explicit. Empty on a server that moves them all.
  returned: success
  type: str
  sample: all_storage_classes_128K
forecast:
  description:
    - What the whole configuration, foreign rules included, does to each object of O(forecast), written on day 0 and
      not touched again. Each day is the earliest one, since S3 rounds up to midnight UTC.
  returned: success
  type: list
  elements: dict
  sample:
    - key: workspaces/7f3c2a/workspace.tar.zst
      size: 52428800
      note: ''
      events:
        - day: 90
          what: it moves to GLACIER
          rule: bulkhead-archive
        - day: 270
          what: a delete marker hides it; its bytes stay, as an old version
          rule: bulkhead-expire
        - day: 300
          what: its bytes are deleted
          rule: bulkhead-old-versions
"""

import importlib.util
import time

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3.errors import S3Error
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3.options import access, access_problems
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle.apply import apply, checked_rules
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle.bucket import Bucket
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle.forecast import Example, shown
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle.options import ARGUMENTS
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle.plan import (
    Plan,
    Present,
    by_id,
    make_plan,
)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if importlib.util.find_spec("boto3") is None:
        module.fail_json(msg=missing_required_lib("boto3"))
    params = module.params

    try:
        wanted = checked_rules(params["rules"], params["bucket"], access_problems(params))

        def make(present: Present) -> Plan:
            return make_plan(
                present,
                wanted,
                absent_ids=params["absent_ids"],
                purge=params["purge_rules"],
                versioning=params["versioning"],
                minimum_size=params["transition_default_minimum_object_size"],
            )

        outcome = apply(
            Bucket(params["bucket"], access(params)),
            make,
            bucket=params["bucket"],
            check_mode=module.check_mode,
            wait_timeout=params["wait_timeout"],
            clock=time.monotonic,
            sleep=time.sleep,
        )
    except S3Error as error:
        module.fail_json(msg=str(error))
    for warning in outcome.warnings:
        module.warn(warning)
    plan = outcome.plan
    module.exit_json(
        changed=plan.changed,
        rules=by_id(plan.rules),
        versioning=plan.versioning_after or "never enabled",
        transition_default_minimum_object_size=outcome.minimum_size,
        forecast=[
            shown(
                list(by_id(plan.rules).values()),
                Example(**example),
                versioned=plan.versioning_after is not None,
                minimum_size=outcome.minimum_size,
            )
            for example in params["forecast"]
        ],
        diff=plan.diff(),
    )


if __name__ == "__main__":
    main()
