"""The command of a ladder behind its decode: the graph that one decode feeds, and a file for each end of it.

Pure. This module must not know how the rungs, the sounds and the stills were chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rushes.media.ladders.fanout import Branch, compile_fanout, ends_of
from rushes.media.ladders.ladder_graph import head_of, refuse_missing, tree
from rushes.media.ladders.ladder_on_card import card_tree, stays_on_card
from rushes.media.ladders.rung_plan import PlannedRung, picture_args, stayed
from rushes.media.ladders.rungs import Ladder
from rushes.media.planning import labels
from rushes.media.planning.device_graph import Spot
from rushes.media.planning.filters import Step
from rushes.media.planning.picture import BuildFacts
from rushes.media.planning.tracks import AudioTrack

__all__ = ["Fed", "feed", "outputs", "sound_name"]


def sound_name(number: int) -> str:
    """The name of a sound track, counted from 0."""
    return f"sound-{number + 1}"


@dataclass(frozen=True, slots=True)
class Fed:
    """All that one decode feeds, and the graph that does.

    Args:
        graph: its text, for ``-filter_complex``; None where no filter is needed.
        maps: what ``-map`` names, by the end of a branch, or the name of a sound.
        stays: the pictures stay on the card that decodes them.
    """

    rungs: Sequence[PlannedRung]
    sounds: Sequence[AudioTrack]
    stills: Sequence[tuple[int, Branch]]
    graph: str | None
    maps: Mapping[str, str]
    stays: bool


def feed(
    rungs: list[PlannedRung],
    sounds: Sequence[AudioTrack],
    stills: Sequence[tuple[int, Branch]],
    *,
    build: BuildFacts,
    decoded: Spot,
    before: tuple[Step, ...],
    after: tuple[Step, ...],
) -> Fed:
    """One decode that feeds all of these, on the card that decodes where they can stay there.

    Args:
        rungs: the largest first.
        sounds: the tracks.
        stills: branches, and the number of the rung that each is taken from.
        build: what the ffmpeg build can do.
        decoded: where the source is decoded.
        before: what is done to every picture first.
        after: what is done to it once it has the first rung's rate and colour.

    Raises:
        PlatformError: the build lacks a filter.
    """
    first = rungs[0].picture
    stays = stays_on_card(
        [rung.picture for rung in rungs], decoded, stills=bool(stills), filters=build.filters
    )
    if stays:
        rungs = [stayed(rung, decoded) for rung in rungs]
        root = card_tree([(rung.name, rung.picture) for rung in rungs], stills, before, decoded, after)
    else:
        head = (*before, *head_of(first, decoded), *after)
        root = tree([(rung.name, rung.picture) for rung in rungs], stills, head)
    chains = [sound.chain for sound in sounds]
    refuse_missing(build, root, chains)
    graph = compile_fanout(first.stream.index, root, chains)
    maps = dict(zip([*ends_of(root), *map(sound_name, range(len(sounds)))], graph.maps, strict=True))
    return Fed(rungs, sounds, stills, graph.text, maps, stays)


def outputs(
    fed: Fed,
    ladder: Ladder,
    *,
    build: BuildFacts,
    gop: int,
    bare: Sequence[str],
    place: str,
    stills_place: str,
) -> Iterator[str]:
    """The graph, and a file for each end of it, as arguments.

    Args:
        fed: what the decode feeds.
        ladder: the wish.
        build: what the ffmpeg build can do.
        gop: pictures between two key frames.
        bare: the arguments of what every file says of itself.
        place: the folder of the renditions as ffmpeg is to name it.
        stills_place: that of the stills.
    """
    if fed.graph is not None:
        yield from ("-filter_complex_threads", str(ladder.threads), "-filter_complex", fed.graph)
    yield "-y"
    for rung in fed.rungs:
        yield from ("-map", fed.maps[rung.name], *picture_args(rung, build, gop=gop))
        yield from (*bare, "-f", "mp4", f"{place}/{rung.name}.mp4")
    for number, sound in enumerate(fed.sounds):
        yield from ("-map", fed.maps[sound_name(number)], *_sound_args(sound))
        yield from (*bare, "-f", "mp4", f"{place}/{sound_name(number)}.mp4")
    for _, branch in fed.stills:
        end = branch.end or ""
        yield from ("-map", fed.maps[end], *ladder.stills.output(end, stills_place))


def _sound_args(sound: AudioTrack) -> list[str]:
    args = [word.replace("{n}", "0") for word in sound.args]
    return args + (
        ["-metadata:s:a:0", f"language={labels.one_line(sound.language)}"] if sound.language else []
    )
