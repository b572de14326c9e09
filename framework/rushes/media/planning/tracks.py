"""Which sound, subtitle and data tracks the result has, and how each is written.

Every source track keeps its place and its channels unless the profile says otherwise; what a container
cannot hold is refused, or left out with a warning where the profile allows it. Pure; it must not know
pictures or files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rushes.errors import CallerError
from rushes.media.describing.schema import AudioStream, MediaInfo, SubtitleStream
from rushes.media.planning.filters import Chain, Step, step
from rushes.media.profile import AudioWish, Profile

__all__ = ["AudioTrack", "Loudness", "audio_tracks", "data_streams", "subtitle_codecs"]

_ENCODERS: Final = {
    "aac": "aac", "opus": "libopus", "ac3": "ac3", "eac3": "eac3", "flac": "flac",
    "pcm_s16le": "pcm_s16le", "pcm_s24le": "pcm_s24le",
}  # fmt: skip
_PCM: Final = frozenset({"pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_s16be", "pcm_s24be", "pcm_f32le"})
AUDIO_IN: Final[Mapping[str, frozenset[str]]] = {
    "mp4": frozenset({"aac", "ac3", "eac3", "opus", "flac", "mp3", "alac"}),
    "mov": frozenset({"aac", "ac3", "eac3", "mp3", "alac"}) | _PCM,
    "mkv": frozenset({"aac", "ac3", "eac3", "opus", "flac", "mp3", "vorbis", "dts", "truehd", "alac"}) | _PCM,
    "webm": frozenset({"opus", "vorbis"}),
    "mxf": frozenset({"pcm_s16le", "pcm_s24le"}),
    "ts": frozenset({"aac", "ac3", "eac3", "mp2", "mp3", "opus"}),
}
"""What a container holds, as widely read, not as widely writable."""
VIDEO_IN: Final[Mapping[str, frozenset[str]]] = {
    "mp4": frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video"}),
    "mov": frozenset(
        {"h264", "hevc", "prores", "dnxhd", "mpeg2video", "mpeg4", "mjpeg", "png", "jpeg2000", "dvvideo",
         "ffv1"}
    ),
    "mkv": frozenset(
        {"h264", "hevc", "av1", "vp9", "vp8", "prores", "dnxhd", "mpeg2video", "mpeg4", "mjpeg", "ffv1",
         "jpeg2000", "dvvideo", "png"}
    ),
    "webm": frozenset({"av1", "vp9", "vp8"}),
    "mxf": frozenset({"mpeg2video", "h264", "dnxhd", "jpeg2000", "dvvideo"}),
    "ts": frozenset({"h264", "hevc", "mpeg2video"}),
}  # fmt: skip

_LAYOUTS: Final = {"mono": 1, "stereo": 2, "5.1": 6}
_MOST_CHANNELS: Final = {"aac": 8, "opus": 8, "ac3": 6, "eac3": 8, "flac": 8}
_BITS_PER_CHANNEL: Final = {"aac": 96_000, "opus": 64_000, "ac3": 96_000, "eac3": 64_000}
_MOST_BITS: Final = {"ac3": 640_000, "eac3": 3_000_000, "opus": 510_000 * 4, "aac": 6 * 192_000}
_RATES: Final = {
    "aac": (8000, 96000), "opus": (48000, 48000), "ac3": (32000, 48000), "eac3": (32000, 48000),
}  # fmt: skip
_TEXT: Final = frozenset({"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"})
_BITMAP: Final = frozenset({"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"})
_TEXT_CODEC: Final = {"mp4": "mov_text", "mov": "mov_text", "webm": "webvtt"}


@dataclass(frozen=True, slots=True)
class Loudness:
    """One track's loudness as the first pass measured it (EBU R128, all as ffmpeg printed them)."""

    integrated: str
    true_peak: str
    loudness_range: str
    threshold: str
    offset: str


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """One track of the result.

    Args:
        chain: where it comes from and what happens to it.
        args: its codec options, with ``{n}`` for its number among the result's audio tracks.
        channels: how many it has; None when unknown beforehand.
        language, title: carried over.
    """

    chain: Chain
    args: tuple[str, ...]
    channels: int | None
    bit_rate: int
    language: str | None = None
    title: str | None = None


def audio_tracks(
    info: MediaInfo,
    profile: Profile,
    *,
    select: tuple[Step, ...],
    loudness: Sequence[Loudness] | None,
) -> tuple[AudioTrack, ...]:
    """The sound tracks of the result, in order.

    Args:
        info: the source.
        profile: the wish.
        select: steps that pick the wished part of the clip.
        loudness: what the first pass measured, a track each; None before it, and where none is wished.

    Raises:
        CallerError: a track, codec or layout that source or container does not have.
    """
    wish = profile.audio
    if wish.codec == "none":
        return ()
    chosen = _chosen(info.audio, wish)
    if wish.loudness is not None and len(chosen) > 1 and all(a.channels == 1 for a in chosen):
        raise CallerError(
            f"the loudness of {len(chosen)} mono tracks cannot be set one by one: they are one programme.",
            code="bad-option",
            fix="Choose one track with tracks, or leave loudness out.",
        )
    found: list[AudioTrack] = []
    for number, stream in enumerate(chosen):
        measured = loudness[number] if loudness is not None else None
        found += _of_one(stream, profile, select, measured)
    return tuple(found)


def subtitle_codecs(info: MediaInfo, profile: Profile, *, partial: bool) -> tuple[dict[int, str], list[str]]:
    """Subtitle streams that are kept, with the codec of each, and warnings of those that are not.

    Args:
        info: the source.
        profile: the wish.
        partial: only a range of the clip is wanted, which subtitles cannot follow.

    Raises:
        CallerError: subtitles=keep and the container cannot hold one of them.
    """
    if profile.subtitles == "drop":
        return {}, []
    kept: dict[int, str] = {}
    lost: list[str] = []
    for stream in info.subtitles:
        codec = None if partial else _subtitle_codec(stream, profile.container)
        if codec is not None:
            kept[stream.index] = codec
        else:
            lost.append(f"{stream.codec or 'unknown'} (stream {stream.index})")
    if not lost:
        return kept, []
    why = "a frame range has none" if partial else f"{profile.container} cannot hold"
    sentence = f"{why} subtitles {', '.join(lost)}"
    if profile.subtitles == "keep":
        raise CallerError(
            f"{sentence}.", code="bad-option", fix="Use container mkv, or subtitles=auto to leave them out."
        )
    return kept, [f"subtitles left out: {sentence}"]


def data_streams(info: MediaInfo, profile: Profile, *, partial: bool) -> tuple[int, ...]:
    """Data streams that are copied; timecode is none of them, for the result gets its own.

    Raises:
        CallerError: data=keep and the container cannot hold them, or only a part is wanted.
    """
    if profile.data == "drop":
        return ()
    found = tuple(s.index for s in info.data if s.handler != "tmcd" and s.codec_tag != "tmcd")
    if found and (profile.container not in {"mov", "mp4"} or partial):
        why = "a frame range cannot carry" if partial else f"{profile.container} cannot hold"
        raise CallerError(
            f"{why} the source's data tracks.", code="bad-option", fix="Use container mov, or data=drop."
        )
    return found


def auto_codec(stream: AudioStream, profile: Profile) -> str:
    """The codec that fits container and picture: AAC beside delivery codecs, PCM beside mastering ones."""
    depth = stream.bit_depth or 16
    pcm = "pcm_s24le" if depth > 16 else "pcm_s16le"
    if profile.container == "webm":
        return "opus"
    if profile.container == "mxf":
        return "pcm_s24le"
    if profile.container in {"mp4", "ts"}:
        return "aac"
    delivery = profile.video.codec in {"h264", "hevc", "av1", "vp9"}
    # A bare count of channels has no layout that AAC could name; PCM keeps it as it is.
    plain = (stream.channels or 2) <= 2 or stream.layout in {"5.1", "5.1(side)", "7.1"}
    return "aac" if delivery and plain else pcm


def _chosen(streams: Sequence[AudioStream], wish: AudioWish) -> list[AudioStream]:
    if wish.tracks is None:
        return list(streams)
    for number in wish.tracks:
        if not 0 <= number < len(streams):
            raise CallerError(
                f"the source has no audio track {number}: it has {len(streams)}.",
                code="bad-option",
                fix="Tracks count from 0.",
            )
    return [streams[number] for number in wish.tracks]


def _of_one(
    stream: AudioStream, profile: Profile, select: tuple[Step, ...], measured: Loudness | None
) -> list[AudioTrack]:
    wish, container = profile.audio, profile.container
    if wish.codec == "copy":
        if select:
            raise CallerError(
                "audio=copy cannot be cut to a frame range.", code="bad-option", fix="Choose an audio codec."
            )
        _refuse_foreign(stream.codec or "unknown", container)
        return [
            AudioTrack(
                Chain(stream.index), ("-c:a:{n}", "copy"), stream.channels, stream.bit_rate or 0,
                stream.language, stream.title,
            )
        ]  # fmt: skip
    codec = auto_codec(stream, profile) if wish.codec == "auto" else wish.codec
    _refuse_foreign(codec, container)
    splits = wish.layout == "split" and (stream.channels or 1) > 1
    channels = 1 if splits else _LAYOUTS.get(wish.layout, stream.channels)
    _refuse_channels(codec, channels, stream)
    steps = (*select, *_loudness_steps(wish, stream, measured))
    rate = _sample_rate(codec, stream, wish, container)
    args, bits = _codec_args(codec, channels, wish)
    if rate is not None:
        args = (*args, "-ar:a:{n}", str(rate))
    if splits:
        return [
            AudioTrack(
                Chain(stream.index, (step("channelmap", map=str(c), channel_layout="mono"), *steps)),
                args, 1, bits, stream.language, stream.title,
            )
            for c in range(stream.channels or 1)
        ]  # fmt: skip
    if wish.layout not in {"keep", "split"} and channels != stream.channels:
        steps = (*steps, step("aformat", channel_layouts=wish.layout))
    if container == "mxf":
        # MXF has no time stamps: a late start becomes silence, a gap too.
        steps = (*steps, step("aresample", **{"async": 1, "first_pts": 0}))
    return [AudioTrack(Chain(stream.index, steps), args, channels, bits, stream.language, stream.title)]


def _loudness_steps(wish: AudioWish, stream: AudioStream, measured: Loudness | None) -> tuple[Step, ...]:
    if wish.loudness is None:
        return ()
    target = {"I": wish.loudness, "TP": wish.true_peak, "LRA": wish.loudness_range}
    if measured is None:
        return (step("loudnorm", **target, print_format="json"),)
    return (
        step(
            "loudnorm", **target, linear="true",
            measured_I=measured.integrated, measured_TP=measured.true_peak,
            measured_LRA=measured.loudness_range, measured_thresh=measured.threshold,
            offset=measured.offset,
        ),
        # loudnorm works at 192 kHz to find true peaks, and hands that on.
        step("aresample", stream.sample_rate or 48000),
    )  # fmt: skip


def _codec_args(codec: str, channels: int | None, wish: AudioWish) -> tuple[tuple[str, ...], int]:
    args = ("-c:a:{n}", _ENCODERS[codec])
    per_channel = _BITS_PER_CHANNEL.get(codec)
    if per_channel is None:
        bits = {"pcm_s16le": 16, "pcm_s24le": 24, "flac": 16}.get(codec, 16) * 48000 * (channels or 2)
        return args, bits
    bits = wish.bitrate or min(per_channel * (channels or 2), _MOST_BITS[codec])
    return (*args, "-b:a:{n}", str(bits)), bits


def _sample_rate(codec: str, stream: AudioStream, wish: AudioWish, container: str) -> int | None:
    low, high = _RATES.get(codec, (8000, 192000))
    if wish.sample_rate is not None:
        if not low <= wish.sample_rate <= high:
            raise CallerError(
                f"{codec} cannot be sampled at {wish.sample_rate} Hz.",
                code="bad-option",
                fix=f"It takes {low} to {high} Hz.",
            )
        return wish.sample_rate
    if container == "mxf":
        return 48000
    if stream.sample_rate is not None and not low <= stream.sample_rate <= high:
        return 48000
    # loudnorm's output is resampled to the source's rate by a step of its own.
    return None


def _refuse_foreign(codec: str, container: str) -> None:
    held = AUDIO_IN[container]
    if codec not in held:
        raise CallerError(
            f"{container} does not hold {codec} audio.",
            code="bad-option",
            fix=f"It holds {', '.join(sorted(held))}; or choose container mov or mkv.",
        )


def _refuse_channels(codec: str, channels: int | None, stream: AudioStream) -> None:
    most = _MOST_CHANNELS.get(codec)
    if most is not None and channels is not None and channels > most:
        raise CallerError(
            f"{codec} holds {most} channels a track; stream {stream.index} has {channels}.",
            code="bad-option",
            fix="Use audio layout=split, or a PCM codec in mov.",
        )


def _subtitle_codec(stream: SubtitleStream, container: str) -> str | None:
    codec = stream.codec or ""
    if container == "mkv":
        if codec == "mov_text":
            return "subrip"
        return "copy" if codec in _TEXT | _BITMAP else None
    if container == "mov" and codec == "eia_608":
        return "copy"
    if container == "ts" and codec in {"dvb_subtitle", "dvb_teletext"}:
        return "copy"
    if codec in _TEXT and container in _TEXT_CODEC:
        wanted = _TEXT_CODEC[container]
        return "copy" if codec == wanted else wanted
    return None
