"""From a wish to a command: the argv of an encode, its filter graph, and what its result must be.

Pure: source description, profile and what a build can do go in, an `EncodePlan` comes out, or a
`CallerError` before anything has run. Encoders are rows of `rushes.media.encoders`; this module must not name
one, start anything or look at a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rushes.asset import Asset
from rushes.errors import MediaError, PlatformError
from rushes.media.describing.schema import MediaInfo
from rushes.media.describing.timecode import TimecodeLabel
from rushes.media.planning import labels, timing, tracks
from rushes.media.planning.burnin import burn_in
from rushes.media.planning.device_graph import HERE, Spot
from rushes.media.planning.filters import Chain, Graph, Staged, Step, compile_graph
from rushes.media.planning.picture import BuildFacts, Picture, plan_picture, video_args
from rushes.media.planning.rates import rate_args
from rushes.media.profile import Profile

__all__ = ["BuildFacts", "EncodePlan", "PlannedOutput", "plan_encode", "plan_loudness"]


@dataclass(frozen=True, slots=True)
class PlannedOutput:
    """What the result must be; checked once it is there.

    Args:
        frames: how many, within `slack`; None when it cannot be known beforehand.
        duration_s: of the picture, or of the sound where there is none.
        size: width and height; None without picture.
        audio_channels: of each track, in order; None where unknown.
    """

    frames: int | None
    slack: int
    duration_s: float | None
    rate: Fraction | None
    size: tuple[int, int] | None
    audio_channels: tuple[int | None, ...]
    timecode: str | None
    reel: str | None


@dataclass(frozen=True, slots=True)
class EncodePlan:
    """The commands of an encode, in order; the last one writes the result.

    Args:
        passes: arguments of each, without the program.
        encoder: ffmpeg's name of the video encoder; ``copy``, or the audio's where there is no picture.
        staged: files that the graph reads, to be put beside it under their names.
        needs_font: a font is to be staged as ``font.ttf``.
        expected: what the result must be.
        warnings: what the caller should know of it.
    """

    passes: tuple[tuple[str, ...], ...]
    encoder: str
    expected: PlannedOutput
    staged: tuple[Staged, ...] = ()
    needs_font: bool = False
    target_bytes: int | None = None
    warnings: tuple[str, ...] = ()


def plan_encode(
    info: MediaInfo,
    profile: Profile,
    build: BuildFacts,
    *,
    source: Asset,
    input_args: Sequence[str],
    target: str,
    present: int | None = None,
    present_s: float | None = None,
    loudness: Sequence[tracks.Loudness] | None = None,
    spot: Spot = HERE,
) -> EncodePlan:
    """How to make `profile` of the clip that `info` describes, with this build.

    Args:
        info: the clip, described.
        profile: the wish.
        build: what the ffmpeg build can do.
        source: the clip; its name may be burnt in, its frame range is honoured.
        input_args: the options and ``-i`` that open it (`rushes.media.readers.guard`).
        target: the output as ffmpeg is to write it, ``file:/…``.
        present: frames that the source really holds, counted by packets; None when unknown.
        present_s: how long they last by their own times.
        loudness: what `plan_loudness` measured, where the profile wishes a loudness.
        spot: the family and device that encode, and what decodes.

    Raises:
        CallerError: an option does not fit the source, the codec or the container.
        MediaError: the source has no picture, or holes.
        PlatformError: the build lacks the encoder or a filter.
    """
    _refuse_holes(info)
    picture = plan_picture(
        info, profile, build, frames=source.frames, present=(present, present_s), spot=spot
    )
    time = picture.timing if picture else None
    sounds = tracks.audio_tracks(info, profile, select=time.sound if time else (), loudness=loudness)
    if picture is None and not sounds:
        raise MediaError(
            f"{info.name} holds neither picture nor sound to keep.",
            code="no-media",
            fix="`rushes run inspect` shows what it holds.",
        )
    partial = source.frames is not None
    subtitles, lost = tracks.subtitle_codecs(info, profile, partial=partial)
    data = tracks.data_streams(info, profile, partial=partial)
    staged, burn, needs_font = burn_in(profile, source, picture)
    chains = []
    if picture is not None:
        chains.append(Chain(picture.stream.index, picture.chain(burn)))
    graph = compile_graph([*chains, *(s.chain for s in sounds)])
    _refuse_missing(build, [*chains, *(s.chain for s in sounds)])
    timecode = time.timecode if time else None
    reel = labels.reel(info, profile, timecode)
    tail = [
        *_tracks_args(sounds, subtitles, data),
        *labels.metadata(info, profile, partial=partial),
        *reel.args,
        *labels.timecode_args(timecode, profile),
        *labels.container_args(profile, info, reel),
    ]
    passes = _passes(
        profile,
        build,
        picture,
        sounds=sounds,
        chains=chains,
        graph=graph,
        tail=tail,
        input_args=input_args,
        target=target,
    )
    warnings = (*(picture.warnings if picture else ()), *lost, *reel.warnings)
    if timecode is not None and profile.container in labels.UNTIMED:
        warnings = (*warnings, f"{profile.container} cannot hold the start timecode {timecode}")
    return EncodePlan(
        passes=passes,
        encoder=_encoder_name(picture, sounds),
        expected=_expectation(info, profile, picture, sounds=sounds, timecode=timecode, reel=reel.name),
        staged=staged,
        needs_font=needs_font,
        target_bytes=profile.target_size,
        warnings=warnings,
    )


def plan_loudness(
    info: MediaInfo, profile: Profile, *, source: Asset, input_args: Sequence[str]
) -> tuple[tuple[str, ...], int] | None:
    """The command that measures loudness before the encode, and of how many tracks; None without a wish.

    Raises:
        CallerError: as `plan_encode`.
    """
    if profile.audio.loudness is None or not info.audio:
        return None
    select: tuple[Step, ...] = ()
    stream = info.primary_video
    if source.frames is not None and stream is not None:
        select = timing.plan_timing(
            info, stream, profile, frames=source.frames, present=None, build_major=0
        ).sound
    sounds = tracks.audio_tracks(info, profile, select=select, loudness=None)
    graph = compile_graph([s.chain for s in sounds])
    args = [*input_args, "-filter_complex", graph.text or "", *_maps(graph), "-f", "null", "-"]
    return tuple(args), len(sounds)


# -- the rest of the command ----------------------------------------------------------------------------


def _passes(
    profile: Profile,
    build: BuildFacts,
    picture: Picture | None,
    *,
    sounds: Sequence[tracks.AudioTrack],
    chains: Sequence[Chain],
    graph: Graph,
    tail: Sequence[str],
    input_args: Sequence[str],
    target: str,
) -> tuple[tuple[str, ...], ...]:
    head = ["-xerror", "-max_error_rate", "0"] if profile.on_damage == "fail" else ["-max_error_rate", "1"]
    head += ["-filter_complex_threads", str(profile.threads)] if graph.text else []
    seek = picture.timing.seek if picture else ()
    # A picture that is not encoded needs no device.
    spot = picture.spot if picture is not None and picture.encoder is not None else HERE
    decode = spot.decode(chains[0].steps) if chains else ()
    opened = [*head, *spot.open, "-threads", str(profile.threads), *decode, *seek, *input_args]
    filtered = [*opened, *(("-filter_complex", graph.text) if graph.text else ())]
    if picture is None or picture.encoder is None:
        video = [] if picture is None else ["-c:v:0", "copy"]
        return ((*filtered, *_maps(graph), *video, *tail, "-y", target),)
    control = rate_args(
        picture.encoder,
        profile,
        rate=picture.timing.rate or picture.timing.source_rate,
        duration_s=picture.timing.duration_s,
        audio_bits=sum(s.bit_rate for s in sounds),
        major=build.major,
        colour=picture.colour,
    )
    video = [*video_args(picture, profile), *picture.timing.args]
    last = (*filtered, *_maps(graph), *video, *control.passes[-1], *tail, "-y", target)
    if len(control.passes) == 1:
        return (last,)
    # The first pass looks at the picture alone: sound would be encoded for nothing.
    alone = compile_graph(chains)
    text = ("-filter_complex", alone.text) if alone.text else ()
    first = (*opened, *text, *_maps(alone), *video, *control.passes[0], "-an", "-sn", "-f", "null", "-")
    return (first, last)


def _maps(graph: Graph) -> list[str]:
    return [word for name in graph.maps for word in ("-map", name)]


def _tracks_args(
    sounds: Sequence[tracks.AudioTrack], subtitles: dict[int, str], data: Sequence[int]
) -> list[str]:
    args: list[str] = []
    for number, sound in enumerate(sounds):
        args += [word.replace("{n}", str(number)) for word in sound.args]
        for name, value in (("language", sound.language), ("title", sound.title)):
            if value:
                args += [f"-metadata:s:a:{number}", f"{name}={labels.one_line(value)}"]
    for number, (index, codec) in enumerate(subtitles.items()):
        args += ["-map", f"0:{index}", f"-c:s:{number}", codec]
    for number, index in enumerate(data):
        args += ["-map", f"0:{index}", f"-c:d:{number}", "copy"]
    return args


def _expectation(
    info: MediaInfo,
    profile: Profile,
    picture: Picture | None,
    *,
    sounds: Sequence[tracks.AudioTrack],
    timecode: TimecodeLabel | None,
    reel: str | None,
) -> PlannedOutput:
    time = picture.timing if picture else None
    held = profile.container not in labels.UNTIMED
    return PlannedOutput(
        frames=time.frames if time else None,
        slack=time.slack if time else 0,
        duration_s=time.duration_s if time else info.duration_s,
        rate=time.rate if time else None,
        size=(picture.geometry.width, picture.geometry.height) if picture else None,
        audio_channels=tuple(s.channels for s in sounds),
        timecode=str(timecode) if timecode is not None and held else None,
        reel=reel,
    )


def _encoder_name(picture: Picture | None, sounds: Sequence[tracks.AudioTrack]) -> str:
    if picture is not None:
        return picture.encoder.name if picture.encoder else "copy"
    return sounds[0].args[1] if sounds else "none"


# -- refusals -------------------------------------------------------------------------------------------


def _refuse_holes(info: MediaInfo) -> None:
    if info.sequence is None or not (info.sequence.missing or info.sequence.empty):
        return
    ranges = [f"{a}" if a == b else f"{a}-{b}" for a, b in info.sequence.missing[:5]]
    ranges += [f"{n} (0 bytes)" for n in info.sequence.empty[:5]]
    raise MediaError(
        f"{info.name} lacks frames {', '.join(ranges)}.",
        code="missing-frames",
        fix="Render or copy them again, or name a range without holes.",
    )


def _refuse_missing(build: BuildFacts, chains: Sequence[Chain]) -> None:
    missing = sorted({s.name for c in chains for s in c.steps} - set(build.filters))
    if missing:
        raise PlatformError(
            f"this ffmpeg has no filter {', '.join(missing)}.",
            code="no-filter",
            fix="Set RUSHES_FFMPEG to a build that has it, or unset it for the bundled one.",
        )
