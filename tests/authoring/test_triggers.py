"""What starts a function by itself: what a pattern matches, and what is refused at import."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushes import CallerError, on_s3
from rushes.triggers import OnS3, rule_of


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("cards/day*/**", "day1/A001/C002.mov", True),
        ("cards/day*/**", "DAY1/A001.MOV", True),
        ("cards/day*/**", "day1/x", True),
        ("cards/day*/**", "day1", False),
        ("cards/day*/**", "other/day1/x.mov", False),
        ("cards/day*/*.mov", "day1/A001.mov", True),
        ("cards/day*/*.mov", "day1/deep/A001.mov", False),
        ("cards/**/*.mov", "A001.mov", True),
        ("cards/**/*.mov", "a/b/c/A001.MOV", True),
        ("cards/A???.mov", "A001.mov", True),
        ("cards/A???.mov", "A0011.mov", False),
        ("cards/a+b (c).mov", "a+b (c).mov", True),
        ("cards/a.mov", "axmov", False),
        ("cards/**", "day1/", False),
        ("cards/**", "day1/A001.mov.rushes.json", False),
        ("cards/**", "new\nline.mov", True),
    ],
)
def test_a_pattern_matches_keys(pattern: str, key: str, matches: bool) -> None:  # noqa: FBT001
    assert (on_s3(pattern).match("cards", key) is not None) is matches


def test_another_bucket_is_another_s() -> None:
    assert on_s3("cards/**").match("proxies", "a.mov") is None


@pytest.mark.parametrize(
    ("kinds", "key", "matches"),
    [
        ("video", "A.MXF", True),
        ("video", "A.wav", False),
        ("audio", "A.WAV", True),
        ("image", "A.1001.exr", True),
        ("video", "no extension", False),
        ("any", "no extension", True),
    ],
)
def test_kinds_go_by_the_extension(kinds: Any, key: str, matches: bool) -> None:  # noqa: FBT001
    assert (on_s3("cards/**", kinds=kinds).match("cards", key) is not None) is matches


def test_named_parts_say_who_pays_and_where_outputs_go() -> None:
    trigger = on_s3(
        "cards/{show}/{day}/**", show="{show}", out="s3://proxies/{show}/{day}/", priority="urgent"
    )
    found = trigger.match("cards", "Dune/day 1/A001/C002.mov")
    assert found is not None
    assert (found.show, found.out, found.priority) == ("Dune", "s3://proxies/Dune/day 1", "urgent")


def test_a_clip_that_waits_for_its_sidecar_names_it_and_the_other_way_round() -> None:
    trigger = on_s3("cards/**", kinds="video", ready="sidecar:.XML")
    clip, sidecar = trigger.match("cards", "day1/A001.mov"), trigger.match("cards", "day1/A001.xml")
    assert clip is not None
    assert sidecar is not None
    assert (clip.source, clip.sidecar) == ("day1/A001.mov", "day1/A001.xml")
    assert (sidecar.source, sidecar.sidecar) == ("", "day1/A001.xml")
    assert [trigger.is_clip(key) for key in ("day1/A001.mov", "day1/A001.xml", "day1/A001.txt")] == [
        True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "more", "said"),
    [
        ("cards", {}, "names no bucket with a pattern"),
        ("Cards/**", {}, "names no bucket with a pattern"),
        ("cards/**", {"kinds": "movies"}, "has kinds='movies'"),
        ("cards/**", {"priority": "Now!"}, "has priority='Now!'"),
        ("cards/**", {"ready": "sidecar"}, "has ready='sidecar'"),
        ("cards/**", {"ready": "sidecar:.x/y"}, "has ready="),
        ("cards/**", {"show": "{show}"}, "no part of its pattern is called 'show'"),
        ("cards/**", {"out": "proxies/"}, "go to s3://"),
        ("cards/**", {"out": "s3://proxies/{"}, "is no template"),
        ("cards/**", {"out": "s3://cards/proxies"}, "started again by its own outputs"),
        ("cards/day1/**", {"out": "s3://cards/DAY1/proxies"}, "started again by its own outputs"),
        ("cards/{show}/**", {"out": "s3://cards/{show}/proxies", "show": "{show}"}, "by its own outputs"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_import(place: str, more: dict[str, Any], said: str) -> None:
    with pytest.raises(CallerError, match=re.escape(said)) as caught:
        on_s3(place, **more)
    assert caught.value.code == "bad-trigger"


def test_outputs_may_go_beside_where_clips_come() -> None:
    assert on_s3("media/cards/**", out="s3://media/proxies").out == "s3://media/proxies"


def test_all_triggers_are_one_rule() -> None:
    rule = rule_of([on_s3("cards/Day*/**"), on_s3("cards/day1/x*"), on_s3("cards/sound/**")])
    assert rule == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": ["cards"]},
            "object": {
                "key": [{"prefix": {"equals-ignore-case": one}} for one in ("day", "sound/")],
            },
        },
    }


def test_a_trigger_for_all_of_a_bucket_needs_no_prefix() -> None:
    rule = rule_of([on_s3("cards/**"), on_s3("cards/day1/**"), on_s3("other/x/**")])
    assert rule["$or"][0] == {"detail": {"bucket": {"name": ["cards"]}}}
    assert rule["$or"][1]["detail"]["bucket"] == {"name": ["other"]}


PARTS = st.lists(st.sampled_from(["day", "A001", "x.mov", "*", "**", "{show}", "c?"]), min_size=1, max_size=4)


def passes(rule: dict[str, Any], bucket: str, key: str) -> bool:
    """Whether EventBridge would let it through."""
    for detail in [one["detail"] for one in rule.get("$or", [rule])]:
        keys = detail.get("object", {}).get("key")
        begins = keys is None or any(
            key.lower().startswith(one["prefix"]["equals-ignore-case"].lower()) for one in keys
        )
        if bucket in detail["bucket"]["name"] and begins:
            return True
    return False


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    patterns=st.lists(PARTS, min_size=1, max_size=3),
    key=st.lists(st.sampled_from(["day", "DAY", "A001", "x.mov", "c1", "z"]), min_size=1, max_size=4),
)
def test_a_rule_lets_through_whatever_a_trigger_matches(patterns: list[list[str]], key: list[str]) -> None:
    triggers: list[OnS3] = []
    for parts in patterns:
        seen = [part for index, part in enumerate(parts) if part != "{show}" or "{show}" not in parts[:index]]
        triggers.append(on_s3("cards/" + "/".join(seen)))
    rule, name = rule_of(triggers), "/".join(key)
    json.dumps(rule)
    if any(trigger.match("cards", name) for trigger in triggers):
        assert passes(rule, "cards", name)
