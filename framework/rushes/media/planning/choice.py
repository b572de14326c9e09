"""Which encoders somebody wants, and whether another may step in: the wish behind ``encoder=``.

Pure. This module must not know what is on this host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rushes.errors import CallerError
from rushes.media.encoders import FAMILIES

__all__ = ["ANY", "SOFTWARE", "EncoderChoice", "Fallback", "parse_choice"]

Fallback = Literal["allow", "forbid"] | float
"""``allow``, ``forbid``, or the least quality (VMAF, 0 to 100) at which another encoder may step in."""


@dataclass(frozen=True, slots=True)
class EncoderChoice:
    """The encoders that may make an output.

    Args:
        families: in order of preference; empty: any, the cheapest for the size first.
        fallback: what happens when the chosen one fails.
    """

    families: tuple[str, ...] = ()
    fallback: Fallback = "allow"

    @property
    def order(self) -> tuple[str, ...]:
        """The families to look at, the preferred first; those that may only step in come last."""
        if not self.families:
            return tuple(FAMILIES)
        if self.fallback == "forbid" or "software" in self.families:
            return self.families
        return (*self.families, "software")


ANY: Final = EncoderChoice()
SOFTWARE: Final = EncoderChoice(("software",))


def parse_choice(encoder: str | Sequence[str] = "any", fallback: str | float = "allow") -> EncoderChoice:
    """The choice that ``encoder`` and ``fallback`` stand for.

    Args:
        encoder: ``any``, ``software``, a family, several with commas, or several in a sequence.
        fallback: ``allow``, ``forbid``, or a least quality (VMAF) as a number or its text.

    Raises:
        CallerError: a family is unknown or named twice, or the fallback is no such value.
    """
    words = encoder.split(",") if isinstance(encoder, str) else list(encoder)
    named = [word.strip().lower() for word in words if word.strip()]
    if named == ["any"]:
        named = []
    elif not named or "any" in named:
        raise _bad(f"encoder={encoder!r} names no encoder family, or any beside one.")
    for family in named:
        if family not in FAMILIES:
            raise _bad(f"{family!r} is no encoder family.")
    if len(set(named)) != len(named):
        raise _bad(f"encoder={encoder!r} names a family twice.")
    return EncoderChoice(tuple(named), _fallback(fallback))


def _fallback(value: str | float) -> Fallback:
    text = str(value).strip().lower()
    if text == "allow":
        return "allow"
    if text == "forbid":
        return "forbid"
    try:
        least = float(text)
    except ValueError:
        least = -1.0
    if not 0 <= least <= 100:
        raise CallerError(
            f"fallback={value!r} is neither allow nor forbid nor a quality.",
            code="bad-option",
            fix="Write allow, forbid, or a VMAF from 0 to 100, such as 93.",
        )
    return least


def _bad(what: str) -> CallerError:
    return CallerError(what, code="bad-option", fix=f"Choose any, or of {', '.join(FAMILIES)}.")
