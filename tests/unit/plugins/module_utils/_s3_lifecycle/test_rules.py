# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: spellings that mean the same, contradictions, merging, and the role's own policy."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle import retention, validate
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle.plan import (
    Present,
    ceph_warning,
    lost,
    make_plan,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle.rules import (
    canonical,
    from_options,
    to_api,
)
from generate import role_variable
from hypothesis import given
from hypothesis import strategies as st

DAYS = st.integers(1, 4000)
OPTIONS = st.fixed_dictionaries(
    {"id": st.text("abc-", min_size=1, max_size=4), "expiration_days": DAYS},
    optional={
        "enabled": st.booleans(),
        "prefix": st.sampled_from(["", "a/", "workspaces/"]),
        "tags": st.dictionaries(st.sampled_from("xyz"), st.text("12", max_size=2), max_size=3),
        "object_size_greater_than": st.integers(0, 1000),
        "noncurrent_expiration_days": DAYS,
        "transitions": st.lists(
            st.fixed_dictionaries({"days": DAYS, "storage_class": st.sampled_from(validate.STORAGE_CLASSES)}),
            max_size=3,
        ),
    },
)
RULES = st.lists(OPTIONS.map(from_options), max_size=5, unique_by=lambda rule: rule["ID"])
POLICY: dict[str, Any] = role_variable("s3_lifecycle", "__s3_lifecycle_policy")


@given(OPTIONS)
def test_what_is_sent_means_what_was_wanted(options: dict[str, Any]) -> None:
    wanted = from_options(options)
    assert canonical(to_api(wanted)) == wanted
    assert canonical(wanted) == wanted


@pytest.mark.parametrize(
    "spelling",
    [
        {"Prefix": "a/", "Transition": {"Days": 5, "StorageClass": "GLACIER"}},
        {"Filter": {"Prefix": "a/"}, "Transitions": [{"Days": 5, "StorageClass": "GLACIER"}]},
        {"Filter": {"And": {"Prefix": "a/", "Tags": []}}, "Transitions": [{"Days": 5, "StorageClass": "GLACIER"}]},
        {
            "Filter": {"Prefix": "a/"},
            "Expiration": {"ExpiredObjectDeleteMarker": False},
            "Transitions": [{"Days": 5, "StorageClass": "GLACIER"}],
        },
    ],
)
def test_spellings_that_mean_the_same(spelling: dict[str, Any]) -> None:
    wanted = from_options({"id": "x", "prefix": "a/", "transitions": [{"days": 5, "storage_class": "GLACIER"}]})
    assert canonical({"ID": "x", "Status": "Enabled", **spelling}) == wanted


@given(RULES, RULES)
def test_merging_keeps_foreign_rules_and_is_done_after_one_time(present: list[Any], wanted: list[Any]) -> None:
    before = Present([to_api(rule) for rule in present], None, None)
    plan = make_plan(before, wanted)
    after = {rule["ID"]: canonical(rule) for rule in plan.rules}
    assert after == {rule["ID"]: rule for rule in [*present, *wanted]}
    assert not make_plan(Present(plan.rules, "Enabled", None), wanted).changed


@given(RULES, RULES)
def test_purging_leaves_the_wanted_rules_alone(present: list[Any], wanted: list[Any]) -> None:
    plan = make_plan(Present([to_api(rule) for rule in present], "Enabled", None), wanted, purge=True)
    assert {rule["ID"]: canonical(rule) for rule in plan.rules} == {rule["ID"]: rule for rule in wanted}


def test_named_rules_are_removed_and_the_default_size_stays() -> None:
    present = Present([{"ID": "ours"}, {"ID": "theirs"}], "Suspended", "varies_by_storage_class")
    plan = make_plan(present, [], absent_ids=["ours", "never-there"], versioning=False)
    assert [rule["ID"] for rule in plan.rules] == ["theirs"]
    assert plan.minimum_size == "varies_by_storage_class"
    assert not plan.enable_versioning
    assert make_plan(present, []).enable_versioning


def test_day_0_is_a_day() -> None:
    on_arrival = from_options({"id": "x", "transitions": [{"days": 0, "storage_class": "GLACIER_IR"}]})
    assert on_arrival["Transitions"] == [{"Days": 0, "StorageClass": "GLACIER_IR"}]
    assert validate.problems([on_arrival]) == []


def test_a_dropped_field_is_named() -> None:
    wanted = [to_api(from_options({"id": "a", "prefix": "w/", "object_size_greater_than": 9, "expiration_days": 1}))]
    kept = [to_api(from_options({"id": "a", "prefix": "w/", "expiration_days": 1}))]
    assert lost(wanted, kept) == ["a: Filter.ObjectSizeGreaterThan"]
    assert lost(wanted, []) == ["a: the whole rule"]


def rule(**options: Any) -> dict[str, Any]:
    return from_options({"id": "r", **options})


GLACIER_ON_90 = [{"days": 90, "storage_class": "GLACIER"}]


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ([rule()], "it does nothing"),
        ([rule(expiration_days=1), rule(expiration_days=2)], "2 rules have the id 'r'"),
        ([rule(expiration_days=0)], "must be at least 1"),
        ([rule(expiration_days=9, expired_object_delete_marker=True)], "exclude each other"),
        ([rule(expired_object_delete_marker=True, tags={"a": "b"})], "have neither tags nor a size"),
        ([rule(abort_incomplete_multipart_upload_days=7, object_size_less_than=5)], "have neither tags nor a size"),
        ([rule(expiration_days=90, transitions=GLACIER_ON_90)], "comes after the end on day 90"),
        ([rule(transitions=[{"days": 1, "storage_class": "glacier"}])], "there is no storage class 'glacier'"),
        ([rule(transitions=[{"days": 29, "storage_class": "STANDARD_IA"}])], "from day 30 on"),
        (
            [rule(transitions=[{"days": 1, "storage_class": "GLACIER"}, {"days": 40, "storage_class": "STANDARD_IA"}])],
            "cannot move from GLACIER to STANDARD_IA",
        ),
        ([rule(newer_noncurrent_versions=3)], "needs noncurrent_expiration_days"),
        ([rule(noncurrent_expiration_days=3, newer_noncurrent_versions=101)], "must be 1 to 100"),
        ([rule(expiration_days=1, object_size_greater_than=5, object_size_less_than=6)], "no object is larger than 5"),
        (
            [
                rule(prefix="a/b/", transitions=GLACIER_ON_90),
                from_options({"id": "end", "prefix": "a/", "expiration_days": 90}),
            ],
            "never happens, since rule 'end' ends the same objects on day 90",
        ),
        ([rule(expiration_days=1, object_size_greater_than=-1)], "object_size_greater_than must be at least 0"),
        ([rule(expiration_days=1, object_size_less_than=0)], "no object has fewer than 0 bytes"),
        ([rule(expiration_days=1, tags={str(n): "" for n in range(11)})], "no object has more than 10 tags"),
        ([rule(expiration_days=1, tags={"k": "v" * 257})], "tag 'k' is too long"),
        ([rule(transitions=[{"days": 1, "storage_class": "GLACIER_FLEXIBLE"}])], "GLACIER_IR, GLACIER, DEEP_ARCHIVE"),
        (
            [
                rule(prefix="a/b/", expiration_days=91),
                from_options({"id": "end", "prefix": "a/", "expiration_days": 90}),
            ],
            "rule 'r': its end on day 91 never happens, since rule 'end' ends the same objects on day 90",
        ),
        (
            [
                rule(noncurrent_transitions=[{"days": 30, "storage_class": "GLACIER"}]),
                from_options({"id": "end", "noncurrent_expiration_days": 30}),
            ],
            "rule 'r': its transition on day 30 never happens, since rule 'end' ends the same old versions on day 30",
        ),
    ],
)
def test_contradictions_are_refused(rules: list[dict[str, Any]], problem: str) -> None:
    assert len([found for found in validate.problems(rules) if problem in found]) == 1


def test_old_versions_that_a_number_keeps_can_still_move() -> None:
    kept = from_options({"id": "end", "noncurrent_expiration_days": 30, "newer_noncurrent_versions": 3})
    moving = rule(noncurrent_transitions=[{"days": 60, "storage_class": "GLACIER"}])
    assert validate.problems([kept, moving]) == []


def test_contradictions_among_the_rules_of_others_are_theirs() -> None:
    theirs = [
        from_options({"id": "early", "expiration_days": 1}),
        from_options({"id": "late", "expiration_days": 2}),
    ]
    assert validate.together(theirs, ours={"another"}) == []
    assert len(validate.together(theirs, ours={"late"})) == 1


def test_rules_for_versions_are_nothing_without_versioning() -> None:
    waiting = [rule(noncurrent_expiration_days=1), from_options({"id": "m", "expired_object_delete_marker": True})]
    acting = [rule(expiration_days=1), rule(noncurrent_expiration_days=1, transitions=GLACIER_ON_90)]
    assert len(validate.without_versioning(waiting)) == 2
    assert validate.without_versioning(acting) == []


def test_rules_about_different_objects_do_not_contradict_each_other() -> None:
    ending = from_options({"id": "end", "prefix": "workspaces-old/", "expiration_days": 1})
    assert validate.problems([rule(prefix="workspaces/", transitions=GLACIER_ON_90), ending]) == []


def test_the_roles_policy_is_the_guides() -> None:
    rules = {options["id"]: from_options(options) for options in retention.retention_rules(**POLICY)}
    assert validate.problems(list(rules.values())) == []
    assert set(rules) == set(retention.RULE_IDS)
    assert rules[retention.OLD_VERSIONS]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rules[retention.ARCHIVE]["Transitions"] == GLACIER_API
    assert rules[retention.EXPIRE]["Expiration"] == {"Days": 270}
    assert all(entry["Filter"]["Prefix"] == "workspaces/" for entry in rules.values())


GLACIER_API = [{"Days": 90, "StorageClass": "GLACIER"}]


def test_rules_that_are_left_out_are_removed_from_the_bucket() -> None:
    rules = retention.retention_rules(**{**POLICY, "archive_days": 0, "abort_upload_days": 0})
    assert retention.absent_ids(rules) == [retention.ARCHIVE, retention.INCOMPLETE_UPLOADS]


def test_the_bug_of_ceph_is_named_only_where_both_rules_meet() -> None:
    rules = [to_api(from_options(options)) for options in retention.retention_rules(**POLICY)]
    assert "RGW 16 to 20" in (ceph_warning(rules) or "")
    assert ceph_warning([entry for entry in rules if "Transitions" not in entry]) is None
