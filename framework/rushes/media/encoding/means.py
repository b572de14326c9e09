"""By what an output may be made, and how each encoder is given the wish and judged by what it made.

`Means` is of the caller and this host, `WishSpelling` of one wish. An encode in one piece, one in parts and a
ladder take the same two. This module must not run anything, nor know files' contents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from rushes.media.devices.capability import CPU
from rushes.media.devices.tries import KnownHost, Tries, Try, plan_tries
from rushes.media.planning.choice import ANY, EncoderChoice
from rushes.media.planning.device_graph import HERE
from rushes.media.planning.wanted import Wanted
from rushes.media.profile import Profile
from rushes.media.running.builds import named_families

if TYPE_CHECKING:
    from rushes.media.devices.device_turns import Devices, DeviceTurns
    from rushes.media.measuring.gate import Gate
    from rushes.media.quality.parity import Parity

__all__ = ["IN_SOFTWARE", "Means", "Way", "WishSpelling", "unchanged"]

IN_SOFTWARE: Final = Try(CPU, "", HERE)
"""The only try of an output without a picture of its own."""


class Way(NamedTuple):
    """What one output is tried with.

    Args:
        host: what works here.
        tries: in order.
        turns: whose turn it is at this host's devices; None where nobody else is asked.
    """

    host: KnownHost
    tries: Tries
    turns: DeviceTurns | None


@dataclass(frozen=True, slots=True)
class Means:
    """By what an output may be made.

    Args:
        choice: the encoders that may make it, and whether another may step in when one fails.
        host: what works on this host; None for what is known without a probe: software, and the families
            that the environment names a build for.
        devices: shares this host's devices with whoever else encodes here; None to take them as if alone.
    """

    choice: EncoderChoice = ANY
    host: KnownHost | None = None
    devices: Devices | None = None

    def known(self) -> KnownHost:
        """What works on this host."""
        return self.host or KnownHost(named=named_families())

    def way(self, wanted: Wanted | None) -> Way:
        """What an output is tried with; None: it has no picture of its own."""
        host = self.known()
        tries = Tries((IN_SOFTWARE,), ()) if wanted is None else plan_tries(self.choice, wanted, host)
        turns = self.devices.turns(tries, wanted, host) if self.devices is not None else None
        return Way(host, tries, turns)


def unchanged(profile: Profile, _encoder: str) -> Profile:
    """The profile as it is, whichever encoder is given it."""
    return profile


@dataclass(frozen=True)
class WishSpelling:
    """One wish as each encoder is to be given it, and what measures a result.

    Args:
        spelt: the profile in the values of one encoder (ffmpeg's name of it): the same quality is another
            number on another encoder's scale.
        gate: measures what a try has made, and may refuse it; None for none.
    """

    spelt: Callable[[Profile, str], Profile] = unchanged
    gate: Gate | None = None

    def wish_of(self, profile: Profile, one: Try) -> Profile:
        """The profile as a try is given it."""
        return self.spelt(profile, one.encoder) if one.encoder else profile

    def judge(self, made: Path, profile: Profile, one: Try) -> Parity | None:
        """What was promised and what was measured.

        Raises:
            RushesError: it is not good enough, and another may do better.
        """
        return self.gate(made, profile, one) if self.gate is not None else None
