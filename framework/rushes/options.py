"""How invocations are dispatched, as an author or a caller says it: none of it changes a result.

Every function holds some, also in a process that only imports it: what checks a value is imported where a
value is given. This module must not know engines.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final

from rushes.errors import CallerError

if TYPE_CHECKING:
    from rushes.batch import Batch, Handle

__all__ = ["Options", "changed", "check_show", "check_tags"]

_LONGEST_SHOW: Final = 255
_END_OF_TIME: Final = 253_402_300_800.0
"""The year 10000: what lies behind it is a mistake, and no calendar can show it."""
_USUAL: Final = "standard"
"""The class of who names none."""


@dataclass(frozen=True, slots=True)
class Options:
    """How invocations are dispatched; nothing here changes a result, so nothing here is in its key."""

    out: str | None = None
    priority: str = _USUAL
    show: str = "default"
    deadline: float | None = None
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    receipts: str = "beside"
    force: bool = False
    slots: int | None = None
    engine: str = "local"
    after: tuple[Handle[Any] | Batch[Any] | str, ...] = ()
    on_failure: str = "cancel"
    exclusive: str | None = None
    """A template of a key of which no two invocations run at a time: ``"reel-{reel}"``."""
    settle_s: float = 0.0
    """How long a source must have been unchanged before it is read."""
    max_cost: float | str | None = None
    """Dollars that may be spent on the batch; what does not fit is held."""

    def __post_init__(self) -> None:
        if self.max_cost is not None:
            from rushes.core.money import parse_dollars  # noqa: PLC0415 - few say

            parse_dollars(str(self.max_cost))
        if self.slots is not None and self.slots < 1:
            raise CallerError(f"slots={self.slots} lets nothing run.", code="bad-value", fix="Use 1 or more.")
        check_show(self.show)
        if self.deadline is not None and not 0 <= self.deadline < _END_OF_TIME:
            raise CallerError(
                f"deadline {self.deadline!r} is no time.", code="bad-value", fix="Give UTC epoch seconds."
            )
        # Which classes a studio has is for its pool to say, or for the environment that it is sent to.
        if self.priority != _USUAL and self.engine == "local" and not os.environ.get("RUSHES_CLASSES"):
            _check_class(self.priority)
        if self.on_failure not in {"cancel", "run"}:
            raise CallerError(
                f"on_failure {self.on_failure!r} is no policy.", code="bad-value", fix="Use cancel or run."
            )


def changed(options: Options, who: str, given: Mapping[str, Any]) -> Options:
    """The same with others; a folder may be a path, and ``after`` one batch or handle.

    Args:
        options: to start from.
        who: is given them, as an error names it.
        given: the others, by name.

    Raises:
        CallerError: there is no such option, or its value is refused.
    """
    known = {one.name for one in fields(Options)}
    others = dict(given)
    for name in others:
        if name not in known:
            raise CallerError(
                f"{who} has no option {name!r}.",
                code="unknown-option",
                fix=f"Options: {', '.join(sorted(known))}.",
            )
    if isinstance(others.get("out"), os.PathLike):
        others["out"] = os.fspath(others["out"])
    if "after" in others:
        after = others["after"]
        others["after"] = tuple(after) if isinstance(after, list | tuple) else (after,)
    if others.get("tags"):
        check_tags(others["tags"])
    return replace(options, **others)


def check_show(show: str) -> None:
    """A show is named in budgets, statements and tables: on one line, and not by nothing."""
    fix = f"Use 1 to {_LONGEST_SHOW} characters that can be printed, and blanks only between them."
    if len(show) > _LONGEST_SHOW:
        raise CallerError(f"the name of the show has {len(show)} characters.", code="bad-value", fix=fix)
    if not show or show != show.strip() or not show.isprintable():
        raise CallerError(f"{show!r} is no name of a show.", code="bad-value", fix=fix)


def check_tags(tags: Mapping[str, str]) -> None:
    """Two say whose work it is that a host lent to its pool, and what it may: for nobody else to say."""
    from rushes.invocation import OWNER, PASS_OF  # noqa: PLC0415 - as above

    for own in (OWNER, PASS_OF):
        if own in tags:
            raise CallerError(f"the tag {own} is Rushes' own.", code="bad-value", fix="Choose another name.")


def _check_class(priority: str) -> None:
    from rushes.invocation import PRIORITIES  # noqa: PLC0415 - as above

    if priority not in PRIORITIES:
        raise CallerError(
            f"priority {priority!r} is no class.",
            code="bad-value",
            fix=f"Use one of {', '.join(PRIORITIES)}.",
        )
