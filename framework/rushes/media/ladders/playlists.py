"""HLS playlists, written from what was read back of the segments (RFC 8216, and Apple's authoring rules).

Every figure is measured: durations from timestamps, bit rates from sizes. ffmpeg's own playlists of the same
segments differ between builds, leave codecs out and carry the wall clock. Pure; it must not read a file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

__all__ = ["Segment", "Track", "master_playlist", "media_playlist"]

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of a track.

    Args:
        name: its file, relative to the playlists.
        size_bytes: of that file.
        frames: pictures, or frames of sound.
        start: when its first one is shown, in seconds.
        duration: in seconds.
        independent: whether it starts with a key frame.
    """

    name: str
    size_bytes: int
    frames: int
    start: Fraction
    duration: Fraction
    independent: bool


@dataclass(frozen=True, slots=True)
class Track:
    """One rendition, of picture or of sound, as it was read back.

    Args:
        name: of the rendition; its playlist is called so.
        init: file that holds the decoder's configuration, relative to the playlists.
        codecs: RFC 6381.
        segments: in order.
        size: width and height; None for sound.
        rate: pictures a second.
        video_range: ``SDR``, ``PQ`` or ``HLG``.
        language: ISO 639 code.
        channels: of sound.
    """

    name: str
    init: str
    codecs: str
    segments: tuple[Segment, ...]
    size: tuple[int, int] | None = None
    rate: Fraction | None = None
    video_range: str = "SDR"
    language: str | None = None
    channels: int | None = None

    @property
    def frames(self) -> int:
        return sum(s.frames for s in self.segments)

    @property
    def duration(self) -> Fraction:
        """Of all segments, in seconds."""
        return sum((s.duration for s in self.segments), Fraction())

    @property
    def average_bits(self) -> int:
        """Bits a second over the whole."""
        size = sum(s.size_bytes for s in self.segments)
        return math.ceil(size * 8 / self.duration) if self.duration else 0

    @property
    def peak_bits(self) -> int:
        """Bits a second of the largest segment; of those that are not cut short by the end."""
        target = max((s.duration for s in self.segments), default=Fraction())
        long = [s for s in self.segments if s.duration and s.duration * 2 >= target]
        return max((math.ceil(s.size_bytes * 8 / s.duration) for s in long), default=0)


def media_playlist(track: Track) -> str:
    """The playlist of one track: a finished recording, each of whose segments can be played alone."""
    longest = max((s.duration for s in track.segments), default=Fraction())
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        # Rounded as the specification rounds: no segment may be longer by half a second.
        f"#EXT-X-TARGETDURATION:{max(1, math.floor(longest + Fraction(1, 2)))}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{track.init}"',
    ]
    for segment in track.segments:
        lines += [f"#EXTINF:{float(segment.duration):.6f},", segment.name]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def master_playlist(pictures: Sequence[Track], sounds: Sequence[Track]) -> str:
    """The playlist that a player is given: every picture, each with every sound.

    Args:
        pictures: the first one listed is where players start.
        sounds: the first is the default.
    """
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for number, sound in enumerate(sounds):
        words = ["TYPE=AUDIO", 'GROUP-ID="sound"', f'NAME="{sound.name}"']
        # It comes out of the clip: what is no code could end the line and begin another.
        coded = _LANGUAGE.fullmatch(sound.language or "")
        words += [f'LANGUAGE="{sound.language}"'] if coded else []
        words += [f"DEFAULT={'NO' if number else 'YES'}", "AUTOSELECT=YES"]
        words += [f'CHANNELS="{sound.channels}"'] if sound.channels else []
        lines.append(f'#EXT-X-MEDIA:{",".join(words)},URI="{sound.name}.m3u8"')
    heard_peak = max((s.peak_bits for s in sounds), default=0)
    heard = max((s.average_bits for s in sounds), default=0)
    heard_codecs = list(dict.fromkeys(s.codecs for s in sounds))
    for track in pictures:
        width, height = track.size or (0, 0)
        words = [
            f"BANDWIDTH={track.peak_bits + heard_peak}",
            f"AVERAGE-BANDWIDTH={track.average_bits + heard}",
            f'CODECS="{",".join([track.codecs, *heard_codecs])}"',
            f"RESOLUTION={width}x{height}",
        ]
        words += [f"FRAME-RATE={float(track.rate):.3f}"] if track.rate else []
        words.append(f"VIDEO-RANGE={track.video_range}")
        words += ['AUDIO="sound"'] if sounds else []
        lines += [f"#EXT-X-STREAM-INF:{','.join(words)}", f"{track.name}.m3u8"]
    return "\n".join([*lines, ""])
