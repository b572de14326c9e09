"""What every engine refuses, in the same words whichever it is: unknown names, and verbs that nothing does.

This module must not know how an engine looks them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rushes.core.accounts import ORGANISATION, Scope
from rushes.errors import CallerError
from rushes.invocation import PRIORITIES

__all__ = [
    "CONTROLS",
    "DEEPEST",
    "has_ended",
    "keys_within_keys",
    "known_class",
    "only_a_part",
    "scope_of",
    "too_deep",
    "unknown_batch",
    "unknown_budget_verb",
    "unknown_control",
    "unknown_invocation",
]

DEEPEST: Final = 8
"""Maps within maps; what goes further maps itself."""
CONTROLS: Final = ("pause", "resume", "drain", "stop", "resize")
"""What can be asked of a pool."""


def unknown_batch(batch: str) -> CallerError:
    """No batch has that id."""
    where = batch.partition("@")[2]
    names = f"rushes list --engine aws:{where}" if where else "rushes list"
    return CallerError(f"there is no batch {batch!r}.", code="not-found", fix=f"`{names}` names the batches.")


def unknown_invocation(invocation: str) -> CallerError:
    """Its batch exists and has no such invocation."""
    return CallerError(
        f"there is no invocation {invocation!r}.",
        code="not-found",
        fix=f"`rushes results {invocation.partition('.')[0]}` names them.",
    )


def unknown_control(verb: str) -> CallerError:
    """The pool was asked for something else than `CONTROLS`."""
    return CallerError(
        f"{verb!r} is nothing that a pool can do.",
        code="bad-value",
        fix=f"Use {', '.join(CONTROLS[:-1])} or {CONTROLS[-1]}.",
    )


def known_class(priority: str, classes: Sequence[str] = PRIORITIES) -> str:
    """The class, if it is one.

    Raises:
        CallerError: it is none.
    """
    if priority not in classes:
        raise CallerError(
            f"priority {priority!r} is no class.",
            code="bad-value",
            fix=f"Use one of {', '.join(classes)}.",
        )
    return priority


def scope_of(level: str, name: str) -> Scope:
    """Who has a budget.

    Raises:
        CallerError: nobody of that kind has, or it has no name.
    """
    if level == "organisation" and not name:
        return ORGANISATION
    if level in {"show", "batch"} and name:
        return Scope("show" if level == "show" else "batch", name)
    raise CallerError(
        f"{level + ':' + name if name else level!r} has no budget.",
        code="bad-value",
        fix="Use organisation, show:NAME or batch:ID.",
    )


def unknown_budget_verb(verb: str) -> CallerError:
    """Something else than to look at budgets or to set them was asked."""
    return CallerError(f"{verb!r} is nothing to do with a budget.", code="bad-value", fix="Use show or set.")


def has_ended(batch: str) -> CallerError:
    """Nothing of a batch is left to be steered."""
    return CallerError(
        f"{batch} has ended.",
        code="ended",
        fix=f"`rushes retry {batch}` runs again what did not succeed.",
    )


def too_deep(function: str) -> CallerError:
    """A part of a part of a part … maps on."""
    return CallerError(
        f"{function} is mapped by a part of a part, {DEEPEST} deep.",
        code="too-deep",
        fix="A function that maps itself needs an end: map something else, or something smaller.",
    )


def keys_within_keys(whole: str, function: str) -> CallerError:
    """What holds an exclusive key would wait for parts that need one."""
    return CallerError(
        f"{whole} has an exclusive key, and maps {function}, whose invocations have keys too.",
        code="exclusive-parts",
        fix="Only one of them can: what waits while it holds a key could wait for itself.",
    )


def only_a_part(batch: str, parent: str, verb: str) -> CallerError:
    """A batch that a body mapped is not steered by itself: `verb` is for the whole."""
    return CallerError(
        f"{batch} is made of parts of {parent}.",
        code="only-a-part",
        fix=f"`rushes {verb} {parent.partition('.')[0]}` is for the whole; parts that are done stay done.",
    )
