"""The last commands of a chunked encode: the sound, once for all parts, and the file that holds everything.

The file's command is that of the encode in one piece, whose picture is copied from what was stitched; so
tags, chapters, timecode, reel and container are those of the ordinary way. Pure: words in, words out. This
module must not start anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from rushes.media.chunking.chunk_commands import seconds
from rushes.media.describing.schema import MediaInfo
from rushes.media.planning import tracks
from rushes.media.planning.filters import compile_graph
from rushes.media.planning.plan import EncodePlan
from rushes.media.profile import Profile

__all__ = ["ChunkSound", "mux_command", "sound_command"]

_SOUND_IN: Final = {"libopus": "mp4", "flac": "mp4"}
"""What holds these; everything else goes into a mov. Both keep an encoder's delay and every sample's time."""
_TAIL_BEGINS: Final = frozenset({"-c:a:0", "-map", "-map_metadata"})
"""The words that follow the picture's in a plan; of these the last is always there."""


@dataclass(frozen=True, slots=True)
class ChunkSound:
    """How the sound is made, once for all parts.

    Args:
        args: the command; None where nothing is to be encoded.
        tracks: of the result.
    """

    args: tuple[str, ...] | None
    tracks: tuple[tracks.AudioTrack, ...]


def sound_command(
    info: MediaInfo,
    profile: Profile,
    *,
    start_us: int,
    input_args: Sequence[str],
    target: str,
    loudness: Sequence[tracks.Loudness] | None,
) -> ChunkSound:
    """The command that encodes all sound of the clip, to be copied into the result.

    Args:
        info: the clip.
        profile: the wish.
        start_us: where the source's clock starts: named, for not every ffmpeg counts an encoder's delay in.
        input_args: the options and ``-i`` that open the source.
        target: the file to write, as ffmpeg names it.
        loudness: of each track, where one is wished.

    Raises:
        CallerError: a track, codec or layout that source or container does not have.
    """
    found = tracks.audio_tracks(info, profile, select=(), loudness=loudness)
    if not found or profile.audio.codec == "copy":
        return ChunkSound(None, found)
    graph = compile_graph([track.chain for track in found])
    strict = ["-xerror", "-max_error_rate", "0"] if profile.on_damage == "fail" else []
    args = [*strict, "-copyts", "-threads", str(profile.threads)]
    args += ["-itsoffset", seconds(-start_us), *input_args]
    args += ["-filter_complex", graph.text] if graph.text else []
    args += [word for name in graph.maps for word in ("-map", name)]
    for number, track in enumerate(found):
        args += [word.replace("{n}", str(number)) for word in track.args]
    holder = next((_SOUND_IN[t.args[1]] for t in found if t.args[1] in _SOUND_IN), "mov")
    args += ["-map_metadata", "-1", "-map_chapters", "-1"]
    return ChunkSound((*args, "-f", holder, "-y", target), found)


def mux_command(
    info: MediaInfo,
    whole: EncodePlan,
    sound: ChunkSound,
    *,
    rate: Fraction | None,
    start_us: int,
    input_args: Sequence[str],
    picture: str,
    heard: str | None,
    tag: str | None,
    encoder: str,
) -> tuple[str, ...]:
    """The command that writes the result: `whole`'s own, with picture and sound copied.

    Args:
        info: the clip.
        whole: the plan of the encode in one piece.
        sound: how the sound was made.
        rate: constant frames a second of the result, or None.
        start_us: where the source's clock starts.
        input_args: the options and ``-i`` that open the source, for what is copied out of it.
        picture: the stitched picture, as ffmpeg names it.
        heard: the encoded sound; None where there is none, or it is copied from the source.
        tag: the picture's sample entry; None where the container chooses.
        encoder: what the encoder calls itself; "" where that is unknown.
    """
    tail = _tail(whole)
    for number, track in enumerate(sound.tracks):
        words = [word.replace("{n}", str(number)) for word in track.args]
        tail = _replaced(tail, words, [f"-c:a:{number}", "copy"])
    inputs = ["-i", picture]
    maps = ["-map", "0:v:0"]
    if heard is not None:
        inputs += ["-i", heard]
        maps += [word for number in range(len(sound.tracks)) for word in ("-map", f"1:a:{number}")]
    elif sound.tracks:
        maps += [word for t in sound.tracks for word in ("-map", f"0:{t.chain.stream}")]
    own, tail = _from_source(maps[2:] if heard is None else [], tail, 2 if heard is not None else 1)
    if heard is None:
        maps = [*maps[:2], *own]
    if own or _asks_source(tail):
        # The parts' times are counted from the source's start already; what comes from the source is not.
        inputs += ["-itsoffset", seconds(-start_us), *input_args]
    video = ["-c:v:0", "copy", *(("-tag:v", tag) if tag else ())]
    video += ["-r:v", str(rate)] if rate is not None else []
    video += ["-metadata:s:v:0", f"encoder={encoder}"] if encoder else []
    return ("-xerror", "-copyts", *inputs, *maps, *video, *_dispositions(info, sound, heard), *tail)


def _tail(whole: EncodePlan) -> list[str]:
    """What follows the picture's arguments: other tracks, tags, container, target."""
    args = whole.passes[-1]
    video = args.index("-c:v:0")
    begin = next(n for n in range(video, len(args)) if args[n] in _TAIL_BEGINS)
    return list(args[begin:])


def _dispositions(info: MediaInfo, sound: ChunkSound, heard: str | None) -> list[str]:
    """What ffmpeg gives a track that it encodes: nothing behind a filter, else what the source's track has.

    Written out, for a mov marks each of its tracks, and ffmpeg would take that over.
    """
    args = ["-disposition:v:0", "0"]
    if heard is None:
        return args
    of = {stream.index: stream.dispositions for stream in info.audio}
    marks = [[] if t.chain.steps else list(of.get(t.chain.stream, [])) for t in sound.tracks]
    if len(marks) > 1 and not any("default" in mark for mark in marks):
        marks[0] = [*marks[0], "default"]
    for number, mark in enumerate(marks):
        args += [f"-disposition:a:{number}", "+".join(mark) or "0"]
    return args


def _replaced(args: list[str], words: list[str], by: list[str]) -> list[str]:
    for at in range(len(args) - len(words) + 1):
        if args[at : at + len(words)] == words:
            return [*args[:at], *by, *args[at + len(words) :]]
    return args


def _from_source(maps: Sequence[str], tail: list[str], number: int) -> tuple[list[str], list[str]]:
    """Maps and tail with what they take from the source's own streams, as input `number`."""
    own = [f"{number}:{word[2:]}" if word.startswith("0:") else word for word in maps]
    moved = list(tail)
    for at, word in enumerate(moved[:-1]):
        if word == "-map":
            moved[at + 1] = f"{number}:{moved[at + 1][2:]}"
        elif word == "-map_chapters" and moved[at + 1] == "0":
            moved[at + 1] = str(number)
    return own, moved


def _asks_source(tail: Sequence[str]) -> bool:
    chapters = [tail[at + 1] for at, word in enumerate(tail[:-1]) if word == "-map_chapters"]
    return "-map" in tail or any(value != "-1" for value in chapters)
