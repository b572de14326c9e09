"""Objects that come into a bucket: triggers, as an author declares them, and what they match. Pure.

A pattern is a bucket and a key with wildcards: ``*`` within one part of a key, ``**`` over any number of
parts, ``{name}`` for one part that is given that name and may be used in `show` and `out`. Letters match in
either case: cameras write ``.MOV``, people ``.mov``.

What is declared here compiles to coarse rules (`rule_of`) and is matched again, exactly, by whoever gets the
event (`OnS3.match`): rules of EventBridge know prefixes in either case, but wildcards in one only, and S3's
own notifications know one suffix and no overlap. This module must not know how an event travels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from string import Formatter
from typing import Any, Final, Literal, Self, TypeVar

from rushes.asset import IMAGE_SUFFIXES
from rushes.core.class_name import CLASS_NAME
from rushes.errors import CallerError
from rushes.invocation import PRIORITIES
from rushes.media_kinds import AUDIO_SUFFIXES, VIDEO_SUFFIXES, suffix_of

__all__ = [
    "IMAGE_KINDS",
    "Kinds",
    "Match",
    "OnS3",
    "check_priority",
    "checked",
    "on_s3",
    "ready_of",
    "rule_of",
]

IMAGE_KINDS: Final = IMAGE_SUFFIXES

Kinds = Literal["any", "video", "audio", "image"]
RECEIPT_SUFFIX: Final = ".rushes.json"
_TOKEN: Final = re.compile(r"\*\*/?|\*|\?|\{(?P<name>[a-z][a-z0-9_]*)\}")
_WILD: Final = re.compile(r"[*?{]")
_ELSEWHERE: Final = "Let outputs go to another bucket, or to a prefix that the pattern does not match."
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)


T = TypeVar("T", bound="OnS3")


@dataclass(frozen=True, slots=True)
class Match:
    """An object that a trigger wants.

    Args:
        source: the key of the clip, which need not be the one that came: a sidecar may have come last.
        sidecar: a key that has to be there too, or "".
        manifest: the name of the file that has to list it, beside it or above it, or "".
        show: who pays.
        out: where outputs go.
        priority: its class.
    """

    source: str
    sidecar: str
    show: str
    out: str
    priority: str
    manifest: str = ""


@dataclass(frozen=True)
class OnS3:
    """An object that comes into a bucket; made by `on_s3`."""

    pattern: str
    kinds: Kinds = "any"
    out: str = ""
    show: str = "default"
    priority: str = "standard"
    sidecar: str = ""
    manifest: str = ""
    ours: bool = False

    @property
    def bucket(self) -> str:
        """Where it comes."""
        return self.pattern.partition("/")[0]

    @property
    def key_pattern(self) -> str:
        """The pattern of its key."""
        return self.pattern.partition("/")[2]

    @cached_property
    def prefix(self) -> str:
        """What every key begins with, in some case: the pattern up to its first wildcard."""
        found = _WILD.search(self.key_pattern)
        return self.key_pattern if found is None else self.key_pattern[: found.start()]

    @cached_property
    def names(self) -> frozenset[str]:
        """The parts of a key that have names."""
        return frozenset(one["name"] for one in _TOKEN.finditer(self.key_pattern) if one["name"])

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile(_translated(self.key_pattern), re.IGNORECASE | re.DOTALL)

    def match(self, bucket: str, key: str) -> Match | None:
        """What to do about an object that came; None for nothing."""
        if bucket != self.bucket or key.endswith((RECEIPT_SUFFIX, "/")):
            return None
        if self.manifest and key.rpartition("/")[2].lower() == self.manifest.lower():
            # It may lie above what it lists, where the pattern does not match.
            inside = key.lower().startswith(self.prefix.lower())
            return Match("", "", "", "", self.priority, key) if inside else None
        if self.sidecar and key.lower().endswith(self.sidecar):
            # The clip of a sidecar is named like it, with an extension of its own: which, is to be looked up.
            return None if self._regex.fullmatch(key) is None else self._made(key, "", key)
        found = self._regex.fullmatch(key)
        if found is None or not _is_kind(key, self.kinds):
            return None
        beside = f"{key.rpartition('.')[0]}{self.sidecar}" if self.sidecar else ""
        return self._made(key, key, beside, found)

    def _made(self, key: str, source: str, sidecar: str, found: re.Match[str] | None = None) -> Match:
        matched = found or self._regex.fullmatch(key)
        named: Mapping[str, Any] = matched.groupdict() if matched is not None else {}
        show = self.show.format(**named)
        out = self.out.format(**{"show": show, **named})
        return Match(source, sidecar, show, out, self.priority, self.manifest)

    def placed(self, buckets: Mapping[str, str], shows: Sequence[str] = ()) -> tuple[Self, ...]:
        """It as it is in an environment: other buckets, and where there are some, of these shows alone.

        Raises:
            CallerError: in these buckets its outputs would start it again.
        """
        bucket, _, rest = self.out.removeprefix("s3://").partition("/")
        out = f"s3://{buckets.get(bucket, bucket)}/{rest}".rstrip("/") if self.out else ""
        made = replace(self, pattern=f"{buckets.get(self.bucket, self.bucket)}/{self.key_pattern}", out=out)
        if made.out and _comes_again(made):
            raise _bad(made.pattern, f"would be started again by its own outputs below {out}", _ELSEWHERE)
        if not shows or self.show != "{show}":
            return (made,)
        return tuple(
            replace(
                made, show=one, pattern=made.pattern.replace("{show}", one), out=out.replace("{show}", one)
            )
            for one in shows
        )

    def is_clip(self, key: str) -> bool:
        """Whether an object is of the kind that is wanted, whatever its place."""
        return not (self.sidecar and key.lower().endswith(self.sidecar)) and _is_kind(key, self.kinds)


def on_s3(
    place: str,
    *,
    kinds: Kinds = "any",
    out: str = "",
    show: str = "default",
    priority: str = "standard",
    ready: str = "object",
    ours: bool = False,
) -> OnS3:
    """Run the function on every object that comes to a place.

    Args:
        place: ``bucket/day*/**``: a bucket, and a pattern of keys in it.
        kinds: ``video``, ``audio``, ``image`` or ``any``, by the extension.
        out: where outputs go, ``s3://proxies/{show}/``; it may name `show` and the named parts of `place`.
        show: who pays; it may name the named parts of `place`.
        priority: the class.
        ready: ``object``: as soon as it is there; ``sidecar:.xml``: once a file is beside it that is named
            like it and ends so; ``manifest:reel.csv``: once a file of that name, beside it or in a folder
            above, lists it, and all that it lists is there.
        ours: also on what functions of ours have made; three steps from a clip that somebody brought it
            ends.

    Raises:
        CallerError: one of them cannot be meant, or outputs would come to the same place again.
    """
    sidecar, manifest = ready_of(f"on_s3({place!r})", ready)
    pattern = place.removeprefix("s3://")
    return checked(OnS3(pattern, kinds, out.rstrip("/"), show, priority, sidecar, manifest, ours), place)


def check_priority(place: str, priority: str) -> None:
    """A class may be a studio's own: which there are is said where the trigger is put to use.

    Raises:
        CallerError: it is no name of a class.
    """
    if not CLASS_NAME.fullmatch(priority):
        raise _bad(
            place, f"has priority={priority!r}", f"Expected {', '.join(PRIORITIES)}, or a class of your own."
        )


def checked(made: T, place: str) -> T:
    """A trigger, if it can be meant.

    Raises:
        CallerError: it cannot, or outputs would come to the same place again.
    """
    kinds, priority, show, out = made.kinds, made.priority, made.show, made.out
    if not _BUCKET.fullmatch(made.bucket) or not made.key_pattern:
        raise _bad(
            place, "names no bucket with a pattern behind it", "Write bucket/pattern, as in cards/day*/**."
        )
    if kinds not in {"any", "video", "audio", "image"}:
        raise _bad(place, f"has kinds={kinds!r}", "Expected any, video, audio or image.")
    check_priority(place, priority)
    _check_fields(made, "show", show, made.names)
    _check_fields(made, "out", out, made.names | {"show"})
    if out and not out.startswith("s3://"):
        raise _bad(place, f"has out={out!r}", "Outputs of a trigger go to s3://BUCKET/PREFIX.")
    if out and _comes_again(made):
        raise _bad(
            place,
            f"would be started again by its own outputs below {out}",
            _ELSEWHERE,
        )
    return made


def rule_of(triggers: Iterable[OnS3]) -> dict[str, Any]:
    """The event pattern of EventBridge that lets all of them through, and little else.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
    """
    alternatives = []
    for bucket, prefixes in sorted(_prefixes(triggers).items()):
        detail: dict[str, Any] = {"bucket": {"name": [bucket]}}
        if "" not in prefixes:
            detail["object"] = {"key": [{"prefix": {"equals-ignore-case": one}} for one in sorted(prefixes)]}
        alternatives.append(detail)
    where = (
        {"detail": alternatives[0]}
        if len(alternatives) == 1
        else {"$or": [{"detail": d} for d in alternatives]}
    )
    return {"source": ["aws.s3"], "detail-type": ["Object Created"], **where}


def _prefixes(triggers: Iterable[OnS3]) -> dict[str, set[str]]:
    """Of each bucket, what keys begin with; of two where one begins with the other, the shorter."""
    found: dict[str, set[str]] = {}
    for trigger in triggers:
        found.setdefault(trigger.bucket, set()).add(trigger.prefix.lower())
    return {
        bucket: {one for one in all_ if not any(one != other and one.startswith(other) for other in all_)}
        for bucket, all_ in found.items()
    }


def _translated(pattern: str) -> str:
    """The regular expression of a pattern."""
    out, at = [], 0
    for token in _TOKEN.finditer(pattern):
        out.append(re.escape(pattern[at : token.start()]))
        text = token.group()
        if token["name"]:
            out.append(f"(?P<{token['name']}>[^/]+)")
        elif text == "**/":
            out.append("(?:.*/)?")
        elif text == "**":
            out.append(".*")
        else:
            out.append("[^/]*" if text == "*" else "[^/]")
        at = token.end()
    return "".join([*out, re.escape(pattern[at:])])


def _is_kind(key: str, kinds: str) -> bool:
    if kinds == "any":
        return True
    suffix = suffix_of(key.rpartition("/")[2])
    return suffix in {"video": VIDEO_SUFFIXES, "audio": AUDIO_SUFFIXES, "image": IMAGE_SUFFIXES}[kinds]


def ready_of(who: str, ready: str) -> tuple[str, str]:
    """The extension of a sidecar, and the name of a manifest, that a clip waits for; "" for neither.

    Raises:
        CallerError: it is none of these.
    """
    kind, _, name = ready.partition(":")
    if kind == "sidecar" and re.fullmatch(r"\.[A-Za-z0-9]{1,12}", name):
        return name.lower(), ""
    if kind == "manifest" and re.fullmatch(r"[^/\\*?{}\[\]]{1,100}\.(?:txt|csv|jsonl)", name, re.IGNORECASE):
        return "", name
    if ready != "object":
        raise CallerError(
            f"{who} has ready={ready!r}.",
            code="bad-trigger",
            fix="Expected object, sidecar:.xml (its extension), or manifest:NAME.csv (.txt, .jsonl).",
        )
    return "", ""


def _check_fields(trigger: OnS3, what: str, text: str, known: Iterable[str]) -> None:
    try:
        fields = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise _bad(
            trigger.pattern, f"has {what}={text!r}, which is no template", "Write {{ for a brace."
        ) from error
    if unknown := fields - set(known):
        raise _bad(
            trigger.pattern,
            f"has {what}={text!r}, and no part of its pattern is called {min(unknown)!r}",
            "Name the part: bucket/{show}/day*/**.",
        )


def _comes_again(trigger: OnS3) -> bool:
    """Whether an output could be a clip of the same trigger: what follows a name in `out` may be anything."""
    bucket, _, prefix = trigger.out.removeprefix("s3://").partition("/")
    if bucket.lower() != trigger.bucket and not _WILD.search(bucket):
        return False
    fixed = prefix.partition("{")[0].lower()
    mine = trigger.prefix.lower()
    return fixed.startswith(mine) or mine.startswith(fixed)


def _bad(place: str, what: str, fix: str) -> CallerError:
    return CallerError(f"on_s3({place!r}) {what}.", code="bad-trigger", fix=fix)
