"""Triggers that an hour or a message starts, over objects in a bucket. Pure.

Both name a place as `on_s3` does: it says which objects may be read, and everything that holds for what comes
there holds here. This module must not know schedulers or queues.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from rushes.errors import CallerError
from rushes.triggers.s3 import Kinds, OnS3, checked

__all__ = ["OnSchedule", "OnSqs", "on_schedule", "on_sqs"]

_WHEN: Final = re.compile(r"rate\([1-9][0-9]* (?:minute|hour|day)s?\)|cron\([^()]{9,100}\)")
_QUEUE: Final = re.compile(r"[a-z][a-z0-9-]{0,29}")


@dataclass(frozen=True)
class OnSchedule(OnS3):
    """What lies in a bucket, when an hour comes; made by `on_schedule`."""

    when: str = ""


@dataclass(frozen=True)
class OnSqs(OnS3):
    """An object that a message names; made by `on_sqs`."""

    queue: str = ""


def on_schedule(
    when: str,
    place: str,
    *,
    kinds: Kinds = "any",
    out: str = "",
    show: str = "default",
    priority: str = "background",
    ours: bool = False,
) -> OnSchedule:
    """Run the function, when an hour comes, on every object of a place on which it has not run.

    Args:
        when: ``rate(1 day)`` or ``cron(0 20 * * ? *)``, in UTC, as EventBridge takes it.
        place: a bucket and a pattern of keys, as `on_s3` takes it; and so with all that follows.
        kinds: by the extension.
        out: where outputs go.
        show: who pays.
        priority: the class.
        ours: also on what functions of ours have made.

    Raises:
        CallerError: one of them cannot be meant.
    """
    if not _WHEN.fullmatch(when) or (when.startswith("cron(") and len(when[5:-1].split()) != 6):
        raise CallerError(
            f"on_schedule({when!r}, …) names no time.",
            code="bad-trigger",
            fix="Write rate(1 day), or cron(MINUTES HOURS DAY MONTH WEEKDAY YEAR): cron(0 20 * * ? *).",
        )
    pattern = place.removeprefix("s3://")
    return checked(OnSchedule(pattern, kinds, out.rstrip("/"), show, priority, ours=ours, when=when), place)


def on_sqs(
    queue: str,
    place: str,
    *,
    kinds: Kinds = "any",
    out: str = "",
    show: str = "default",
    priority: str = "standard",
    ours: bool = False,
) -> OnSqs:
    """Run the function on objects that messages name: ``{"source": "s3://…", "params": {…}}``.

    Args:
        queue: its name; an environment makes it, or says which queue stands for it.
        place: which objects a message may name, as `on_s3` takes it; and so with all that follows.
        kinds: by the extension.
        out: where outputs go; a message may say a place below it.
        show: who pays; a message may say another.
        priority: the class.
        ours: also on what functions of ours have made.

    Raises:
        CallerError: one of them cannot be meant.
    """
    if not _QUEUE.fullmatch(queue):
        raise CallerError(
            f"on_sqs({queue!r}, …) names no queue.",
            code="bad-trigger",
            fix="Write small letters, digits and -, 30 at most: requests.",
        )
    pattern = place.removeprefix("s3://")
    return checked(OnSqs(pattern, kinds, out.rstrip("/"), show, priority, ours=ours, queue=queue), place)
