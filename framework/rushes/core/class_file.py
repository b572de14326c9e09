"""The file in which a studio writes down its classes: what each field may be, and what cannot be meant.

`classes_from` takes what a JSON, TOML or YAML reader made of it, lays it over the classes that ship, and
checks all of it at once. This module must not open a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from rushes.core.class_name import CLASS_NAME
from rushes.core.classes import DEFAULT_CLASSES, REFUSE, ClassPolicy
from rushes.core.file_entry import FileEntry
from rushes.core.tiers import Purchase

__all__ = ["classes_from", "scheduling_of"]

CODE: Final = "bad-classes"
_LEAST_SHARE: Final = 0.01
_NEW: Final = ClassPolicy("", -1)
_SCHEDULED: Final = {
    "rank": "rank", "may_displace": "may_displace", "may_be_displaced": "may_be_displaced",
    "ageing": "ageing_s", "weights": "weights", "reserved_share": "reserved_share", "max_share": "max_share",
}  # fmt: skip
"""What a pool schedules a class by: its name in a file, and in a policy."""


def classes_from(
    data: object, place: str = "classes", base: Iterable[ClassPolicy] = DEFAULT_CLASSES
) -> tuple[ClassPolicy, ...]:
    """The classes that a file describes, laid over those of `base`, the best first.

    Raises:
        CallerError: something in it cannot be read or meant; names the place (``bad-classes``).
    """
    top = FileEntry(data, place, code=CODE)
    found = {one.name: one for one in base}
    for name, entry in top.entry("classes").entries():
        if not CLASS_NAME.fullmatch(name):
            raise top.refuse(f"classes.{name}", "is no name", "Use small letters, digits and hyphens.")
        found[name] = _class(entry, name, found.get(name))
    top.done()
    classes = sorted(found.values(), key=lambda one: (one.rank, one.name))
    _check(top, classes)
    return tuple(classes)


def scheduling_of(
    classes: Iterable[ClassPolicy], base: Iterable[ClassPolicy] = DEFAULT_CLASSES
) -> dict[str, Any]:
    """What a pool schedules classes by, as such a file says it; empty where that is as in `base`.

    Who may use a class, its hours and its places are not in it: those are for whom takes work in at the door.
    """
    known = {one.name: one for one in base}
    found: dict[str, Any] = {}
    for one in classes:
        old = known.get(one.name)
        said = {key: getattr(one, at) for key, at in _SCHEDULED.items()}
        plain = old or replace(_NEW, name=one.name)
        said = {key: value for key, value in said.items() if value != getattr(plain, _SCHEDULED[key])}
        if "weights" in said:
            said["weights"] = dict(one.weights)
        if said or old is None:
            found[one.name] = said
    return {"classes": found} if found else {}


def _class(entry: FileEntry, name: str, old: ClassPolicy | None) -> ClassPolicy:
    at = old or replace(_NEW, name=name)
    policy = replace(
        at,
        rank=entry.whole("rank", None if old is None else at.rank),
        may_displace=entry.flag("may_displace", default=at.may_displace),
        may_be_displaced=entry.flag("may_be_displaced", default=at.may_be_displaced),
        ageing_s=entry.seconds("ageing", at.ageing_s),
        weights=_numbers(entry, "weights", at.weights),
        reserved_share=entry.number("reserved_share", at.reserved_share),
        max_share=entry.number("max_share", at.max_share),
        target_s=entry.seconds("target") if entry.has("target") else at.target_s,
        tiers=_texts(entry, "tiers", at.tiers) or (),
        purchase=_texts(entry, "purchase", at.purchase) or (),
        users=_texts(entry, "users", at.users),
        groups=_texts(entry, "groups", at.groups),
        shows=_texts(entry, "shows", at.shows),
        slot_hours=entry.number("slot_hours") if entry.has("slot_hours") else at.slot_hours,
        slot_hours_of=_numbers(entry, "slot_hours_of", at.slot_hours_of, least=0.0),
        beyond=entry.text("beyond", at.beyond),
    )
    entry.done()
    if not policy.ageing_s > 0:
        raise entry.refuse("ageing", "is nothing", "Give a duration such as 1h.")
    if policy.reserved_share > 1:
        raise entry.refuse("reserved_share", f"is {policy.reserved_share:g}", "Give a part, such as 0.25.")
    if not _LEAST_SHARE <= policy.max_share <= 1:
        raise entry.refuse("max_share", f"is {policy.max_share:g}", f"Give a part, {_LEAST_SHARE} to 1.")
    if policy.reserved_share > policy.max_share:
        raise entry.refuse(
            "reserved_share", f"is {policy.reserved_share:g}, above its max_share", "Lower it, or raise that."
        )
    known = [one.value for one in Purchase]
    for one in policy.purchase:
        if one not in known:
            raise entry.refuse("purchase", f"has {one!r}", f"Use {', '.join(known)}.")
    return policy


def _check(top: FileEntry, classes: list[ClassPolicy]) -> None:
    """What no class can say for itself."""
    by_name = {one.name: one for one in classes}
    for one in classes:
        kept = sum(other.reserved_share for other in classes if other is not one)
        if kept > 1 - _LEAST_SHARE:
            raise top.refuse(
                f"classes.{one.name}",
                f"has nothing left: the other classes reserve {kept:.0%} of the pool",
                "Lower their reserved_share.",
            )
        if one.beyond == REFUSE:
            continue
        lower = by_name.get(one.beyond)
        if lower is None or lower.rank <= one.rank:
            raise top.refuse(
                f"classes.{one.name}.beyond",
                f"is {one.beyond!r}",
                f"Write {REFUSE}, or the name of a class below it, such as background.",
            )


def _texts(entry: FileEntry, name: str, old: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if not entry.has(name):
        return old
    found: list[Any] = entry.items(name)
    if not all(isinstance(one, str) and one for one in found):
        raise entry.refuse(name, f"is {found!r}", "Give a list of names.")
    return tuple(found)


def _numbers(
    entry: FileEntry, name: str, old: Mapping[str, float], *, least: float = 1e-6
) -> Mapping[str, float]:
    table = entry.entry(name)
    found = {one: table.number(one, least=least) for one in table.names()}
    return {**old, **found}
