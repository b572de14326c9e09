"""After a try has failed: which of the tries behind it may still make the output, and what is kept of each.

Pure. A source is judged by software's decoder alone, a wish by software's encoder: what a device says of
either is no verdict. This module must not run anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from rushes.errors import Cancelled, RushesError
from rushes.media.devices.tries import LeftOut, Try
from rushes.media.encoders import FAMILIES
from rushes.media.planning.choice import EncoderChoice
from rushes.media.planning.device_graph import Decoder

__all__ = ["Tried", "TryOutcome", "really_decoded_by", "remaining", "told", "warning_of"]

TryOutcome = Literal["made", "failed", "refused", "left-out", "passed"]
"""``made`` it; ``failed`` while it ran; ``refused`` by the plan, for it cannot do what is wished;
``left-out`` beforehand; ``passed`` by, for it was full or sick, or another would be done before it."""

_DECODER_REFUSED: Final = re.compile(r"Failed setup for format \w+: hwaccel initiali[sz]ation returned error")

# What no other encoder would change: the host's disk, limits that were set, somebody who stopped it.
_OF_THE_HOST: Final = frozenset(
    {"disk-full", "output-limit", "memory-limit", "out-of-memory", "timeout", "no-permission", "not-found",
     "io-error", "interrupted"}
)  # fmt: skip
# What the device would say again, whoever decodes.
_OF_THE_DEVICE: Final = frozenset({"no-device", "driver-mismatch", "encoder-busy", "device-sick"})
# What every device of the family would make of it again.
_OF_THE_FAMILY: Final = frozenset({"quality-missed"})
# A device's encoder, or its driver, may say anything when it dies; once more in software tells.
_UNKNOWN: Final = frozenset(
    {"tool-failed", "crashed", "encoder-failed", "stalled", "bad-output", "bad-chunk", "no-stitch"}
)


@dataclass(frozen=True, slots=True)
class Tried:
    """One try of an output, for the result and its receipt.

    Args:
        device: ``cpu``, ``nvenc:0``; "" for a whole family that was left out.
        encoder: ffmpeg's name.
        reason: one sentence where it did not make the output.
        code: the error's code, or "".
        decoder: what decoded the source: ``software`` or ``device``.
        seconds: wall time that it took, without waiting.
        waited_s: wall time that it was waited for.
        note: what for, in one sentence.
        output: which of several outputs, ``720p``; "" where there is one, or all are meant.
    """

    family: str
    device: str
    encoder: str
    outcome: TryOutcome
    reason: str = ""
    code: str = ""
    decoder: str = "software"
    seconds: float = 0.0
    waited_s: float = 0.0
    note: str = ""
    output: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able data."""
        return asdict(self)


def remaining(rest: Sequence[Try], failed: Try, error: RushesError, *, ran: bool) -> tuple[Try, ...]:
    """The tries that are left after one has failed; none when its error stands.

    Args:
        rest: those behind it, in order; what the fallback policy forbids is not among them.
        failed: the one that failed.
        error: what came of it.
        ran: something had run; else the plan refused it.
    """
    if failed.family == "software" or isinstance(error, Cancelled) or error.code in _OF_THE_HOST:
        return ()
    elsewhere = tuple(one for one in rest if one.device != failed.device)
    if error.code in _OF_THE_FAMILY:
        elsewhere = tuple(one for one in rest if one.family != failed.family)
    if error.code in _OF_THE_FAMILY | _OF_THE_DEVICE:
        return elsewhere
    if failed.spot.decoder == "device":
        return tuple(rest)
    if ran and error.details.get("action") in {"fallback", "busy", "sick"}:
        return elsewhere
    if ran and error.code not in _UNKNOWN:
        return ()
    # The plan refused it, as it would for each device of the family; or nobody knows what happened.
    return tuple(one for one in rest if one.family == "software" or (not ran and one.family != failed.family))


def told(choice: EncoderChoice, left_out: Sequence[LeftOut], seen: frozenset[str]) -> Iterator[Tried]:
    """Those left out that somebody asks about: a family that was named, or a device that is there.

    Args:
        choice: the families that were asked for.
        left_out: every encoder that is not tried.
        seen: families that this host has devices of.
    """
    for one in left_out:
        if one.family in choice.families or one.family in seen:
            yield Tried(one.family, one.device, one.encoder, "left-out", one.reason)


def really_decoded_by(made: Try, stderr: str) -> Decoder:
    """What decoded the source: ffmpeg goes on in software when a device's decoder cannot be set up."""
    return "software" if _DECODER_REFUSED.search(stderr) else made.spot.decoder


def warning_of(tried: Sequence[Tried]) -> str | None:
    """One sentence for people, when another encoder than the first had to make it."""
    *before, last = tried
    missed = [one for one in before if one.family != last.family]
    if not missed or last.outcome != "made":
        return None
    first = missed[-1]
    title = FAMILIES[first.family].title
    return f"{title} did not make it ({first.reason.rstrip('.')}); {last.encoder} did"
