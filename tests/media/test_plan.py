"""From a wish to a command: golden argv, as lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pytest

from rushes.asset import Asset
from rushes.errors import CallerError, MediaError, PlatformError
from rushes.media.describing.schema import (
    AudioStream,
    Colour,
    Container,
    ContentLight,
    HdrMetadata,
    MasteringDisplay,
    MediaInfo,
    SequenceInfo,
    SubtitleStream,
    Timecode,
    VideoStream,
)
from rushes.media.planning.plan import EncodePlan, plan_encode, plan_loudness
from rushes.media.planning.tracks import Loudness
from rushes.media.profile import Profile

_ENCODERS = [
    "libx264",
    "libx265",
    "libsvtav1",
    "libvpx-vp9",
    "prores_ks",
    "dnxhd",
    "mpeg2video",
    "ffv1",
    "libopenjpeg",
]
_FILTERS = [
    "aformat",
    "aresample",
    "atrim",
    "asetpts",
    "bwdif",
    "channelmap",
    "crop",
    "drawtext",
    "format",
    "fps",
    "loudnorm",
    "lut3d",
    "pad",
    "scale",
    "setparams",
    "setpts",
    "setsar",
    "tonemap",
    "trim",
    "zscale",
]


@dataclass
class FakeBuild:
    major: int = 9
    encoders: tuple[str, ...] = tuple(_ENCODERS)
    filters: tuple[str, ...] = tuple(_FILTERS)


@dataclass
class Wish:
    """A plan of a described clip; nothing is opened."""

    info: MediaInfo
    build: FakeBuild = field(default_factory=FakeBuild)
    frames: tuple[int, int] | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def plan(self, **profile: Any) -> EncodePlan:
        asset = Asset("/clips/A001.mov")
        return plan_encode(
            self.info,
            Profile.model_validate(profile),
            self.build,
            source=asset.with_frames(*self.frames) if self.frames else asset,
            input_args=["-i", "file:/clips/A001.mov"],
            target="file:/out/x",
            **self.options,
        )


def picture(**changes: Any) -> VideoStream:
    facts: dict[str, Any] = {
        "index": 0, "codec": "prores", "width": 1920, "height": 1080, "frame_rate": "25/1",
        "rate_mode": "cfr", "rate_decided_by": "sample-table", "field_order": "progressive",
        "pix_fmt": "yuv422p10le", "bit_depth": 10, "duration_s": 4.0, "frames_declared": 100,
        "color": Colour(primaries="bt709", transfer="bt709", matrix="bt709", range="limited"),
    }  # fmt: skip
    return VideoStream(**{**facts, **changes})


def sound(index: int = 1, **changes: Any) -> AudioStream:
    facts: dict[str, Any] = {
        "index": index, "codec": "pcm_s24le", "channels": 2, "layout": "stereo",
        "sample_rate": 48000, "bit_depth": 24,
    }  # fmt: skip
    return AudioStream(**{**facts, **changes})


def clip(
    video: VideoStream | None = None, audio: list[AudioStream] | None = None, **changes: Any
) -> MediaInfo:
    return MediaInfo(
        name="A001.mov",
        container=Container(format="mov", size_bytes=1000, duration_s=4.0, start_s=0.0),
        video=[video or picture()],
        audio=[sound()] if audio is None else audio,
        **changes,
    )


def _between(argv: tuple[str, ...], first: str, last: str) -> list[str]:
    words = list(argv)
    return words[words.index(first) : words.index(last)]


_TAGS = [
    "-color_primaries:v", "bt709", "-color_trc:v", "bt709", "-colorspace:v", "bt709", "-color_range:v", "tv",
]  # fmt: skip
_SETPARAMS = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:field_mode=prog:range=tv"


_PROXY_GRAPH = (
    "[0:0]scale=flags=bicubic+accurate_rnd:h=540:w=960[s0];[s0]setsar=sar=1/1[s1];"
    f"[s1]format=pix_fmts=yuv420p[s2];[s2]{_SETPARAMS}[s3]"
)


def test_the_whole_command_of_an_h264_proxy() -> None:
    info = clip(
        timecode=Timecode(value="01:00:00:00", drop_frame=False, rate="25/1", source="tmcd"), reel="A001"
    )

    plan = Wish(info).plan(
        container="mov",
        video={
            "codec": "h264",
            "quality": 23,
            "speed": "veryfast",
            "height": 540,
            "keyframe_interval_s": 0.5,
        },
    )

    assert plan.passes == ((
        "-xerror", "-max_error_rate", "0", "-filter_complex_threads", "2", "-threads", "2",
        "-i", "file:/clips/A001.mov",
        "-filter_complex",
        _PROXY_GRAPH,
        "-map", "[s3]", "-map", "0:1",
        "-c:v:0", "libx264", "-profile:v", "high", "-pix_fmt:v", "yuv420p", *_TAGS, "-tag:v", "avc1",
        "-fps_mode:v", "passthrough",
        "-crf", "23", "-preset", "veryfast", "-g", "12", "-threads:v", "2", "-a53cc", "1",
        "-c:a:0", "aac", "-b:a:0", "192000",
        "-map_metadata", "-1", "-map_chapters", "-1",
        "-metadata:s:v:0", "reel_name=A001", "-timecode", "01:00:00:00",
        "-movflags", "+faststart", "-f", "mov", "-y", "file:/out/x",
    ),)  # fmt: skip
    assert plan.encoder == "libx264"
    assert plan.expected.frames == 100
    assert plan.expected.size == (960, 540)
    assert plan.expected.audio_channels == (2,)


@pytest.mark.parametrize(
    ("video", "container", "expected"),
    [
        (
            {"codec": "prores", "variant": "422hq"}, "mov",
            ["-c:v:0", "prores_ks", "-profile:v", "hq", "-pix_fmt:v", "yuv422p10le", *_TAGS,
             "-fps_mode:v", "passthrough", "-threads:v", "2", "-vendor", "apl0"],
        ),
        (
            {"codec": "dnxhr", "variant": "lb"}, "mov",
            ["-c:v:0", "dnxhd", "-profile:v", "dnxhr_lb", "-pix_fmt:v", "yuv422p", *_TAGS,
             "-fps_mode:v", "passthrough", "-threads:v", "2"],
        ),
        (
            {"codec": "hevc"}, "mp4",
            ["-c:v:0", "libx265", "-profile:v", "main10", "-pix_fmt:v", "yuv420p10le", *_TAGS,
             "-tag:v", "hvc1", "-fps_mode:v", "passthrough", "-crf", "23", "-preset", "medium",
             "-threads:v", "2", "-a53cc", "1",
             "-x265-params", "log-level=error:pools=2:frame-threads=1"],
        ),
        (
            {"codec": "av1", "quality": 30, "encoder_options": {"film-grain": "8"}}, "mp4",
            ["-c:v:0", "libsvtav1", "-pix_fmt:v", "yuv420p10le", *_TAGS, "-fps_mode:v", "passthrough",
             "-crf", "30", "-preset", "8", "-svtav1-params", "lp=2:film-grain=8"],
        ),
        (
            {"codec": "vp9"}, "webm",
            ["-c:v:0", "libvpx-vp9", "-profile:v", "2", "-pix_fmt:v", "yuv420p10le", *_TAGS,
             "-fps_mode:v", "passthrough", "-crf", "32", "-b:v", "0", "-cpu-used", "2",
             "-threads:v", "2", "-deadline", "good", "-row-mt", "1"],
        ),
        (
            {"codec": "ffv1"}, "mkv",
            ["-c:v:0", "ffv1", "-level:v", "3", "-pix_fmt:v", "yuv422p10le", *_TAGS,
             "-fps_mode:v", "passthrough", "-threads:v", "2", "-slicecrc", "1", "-g:v", "1",
             "-slices", "16", "-coder", "1", "-context", "1"],
        ),
        (
            {"codec": "avcintra", "variant": "100"}, "mxf",
            ["-c:v:0", "libx264", "-avcintra-class", "100", "-pix_fmt:v", "yuv422p10le", *_TAGS,
             "-fps_mode:v", "passthrough", "-preset", "medium", "-threads:v", "2", "-a53cc", "1"],
        ),
        (
            {"codec": "jpeg2000"}, "mxf",
            ["-c:v:0", "libopenjpeg", "-irreversible", "0", "-pix_fmt:v", "yuv422p10le", *_TAGS,
             "-fps_mode:v", "passthrough", "-threads:v", "2", "-format:v", "j2k"],
        ),
    ],
    ids=lambda value: value["codec"] if isinstance(value, dict) else None,
)  # fmt: skip
def test_each_codec_is_spelled_by_its_row(video: dict[str, Any], container: str, expected: list[str]) -> None:
    plan = Wish(clip()).plan(container=container, video=video)

    assert _between(plan.passes[-1], "-c:v:0", "-c:a:0") == expected


def test_a_target_size_takes_two_passes_and_leaves_room_for_sound() -> None:
    plan = Wish(clip()).plan(target_size="1MB", video={"codec": "h264"})

    first, second = plan.passes
    bits = str(int(1_000_000 * 8 * 0.985 / 4.0) - 192_000)
    assert _between(first, "-b:v", "-f") == [
        "-b:v", bits, "-preset", "medium", "-threads:v", "2", "-a53cc", "1",
        "-pass", "1", "-passlogfile", "twopass", "-an", "-sn",
    ]  # fmt: skip
    assert first[-3:] == ("-f", "null", "-")
    assert "0:1" not in first
    assert _between(second, "-pass", "-c:a:0") == ["-pass", "2", "-passlogfile", "twopass"]


def test_x265_gets_its_passes_inside_its_own_parameters() -> None:
    plan = Wish(clip()).plan(target_size="1MB", video={"codec": "hevc"})

    assert [args[args.index("-x265-params") + 1] for args in plan.passes] == [
        f"log-level=error:pools=2:frame-threads=1:pass={n}:stats=twopass.log" for n in (1, 2)
    ]


@pytest.mark.parametrize(("major", "spelled"), [(5, "-1"), (6, "-1"), (7, "demux"), (9, "demux")])
def test_a_variable_rate_keeps_the_sources_ticks_as_each_build_spells_it(major: int, spelled: str) -> None:
    info = clip(picture(rate_mode="vfr", frame_rate="24/1"))

    plan = Wish(info, FakeBuild(major)).plan(container="mp4")

    assert _between(plan.passes[0], "-fps_mode:v", "-crf") == [
        "-fps_mode:v", "passthrough", "-enc_time_base:v", spelled,
    ]  # fmt: skip


def test_a_conversion_of_the_rate_is_bounded() -> None:
    plan = Wish(clip()).plan(video={"frame_rate": "50"})

    assert "fps=fps=50:round=near" in plan.passes[0][plan.passes[0].index("-filter_complex") + 1]
    assert plan.passes[0][plan.passes[0].index("-frames:v") + 1] == "206"
    assert plan.expected.frames == 200


def test_a_header_that_the_packets_contradict_is_not_regularised() -> None:
    video = picture(rate_decided_by="average-equals-nominal", duration_s=None)
    wish = Wish(clip(video), options={"present": 70, "present_s": 4.0})

    plan = wish.plan()

    assert plan.expected.rate is None
    assert plan.expected.frames == 70
    assert any("gaps" in warning for warning in plan.warnings)


@pytest.mark.parametrize(
    ("value", "rate", "wished", "first", "expected"),
    [
        ("01:00:00:00", "25/1", None, 0, "01:00:00:00"),
        ("01:00:00:00", "25/1", None, 30, "01:00:01:05"),
        ("00:59:59;28", "30000/1001", None, 4, "01:00:00;02"),
        ("00:00:59;28", "30000/1001", None, 2, "00:01:00;02"),
        ("10:00:00:12", "25/1", "50", 0, "10:00:00:24"),
        ("10:00:00;10", "30000/1001", "25", 0, "10:00:00:08"),
        ("23:59:59:24", "25/1", None, 1, "00:00:00:00"),
    ],
)
def test_the_start_timecode_follows_range_and_rate(
    value: str, rate: str, wished: str | None, first: int, expected: str
) -> None:
    label = Timecode(value=value, drop_frame=";" in value, rate=rate, source="tmcd")
    info = clip(picture(frame_rate=rate), timecode=label)
    frames = (first, first + 10) if first else None

    plan = Wish(info, frames=frames).plan(container="mov", video={"frame_rate": wished})

    assert plan.expected.timecode == expected
    assert plan.passes[0][plan.passes[0].index("-timecode") + 1] == expected


def test_an_early_range_is_counted_and_a_late_one_is_sought() -> None:
    long = picture(duration_s=400.0, frames_declared=10_000)

    early = Wish(clip(long), frames=(10, 20)).plan().passes[0]
    late = Wish(clip(long), frames=(5000, 5010)).plan().passes[0]

    assert "-ss" not in early
    assert "[0:0]trim=end_frame=20:start_frame=10[s0]" in early[early.index("-filter_complex") + 1]
    assert late[late.index("-ss") + 1] == "199.980000"
    assert late.index("-ss") < late.index("-i")
    assert "[0:0]trim=end_frame=10:start_frame=0[s0]" in late[late.index("-filter_complex") + 1]
    assert "atrim=end=0.420000:start=0.020000" in late[late.index("-filter_complex") + 1]


def test_names_are_staged_never_written_into_the_graph() -> None:
    plan = Wish(clip()).plan(video={"burn_in": ["name", "timecode", "frame"]})

    graph = plan.passes[0][plan.passes[0].index("-filter_complex") + 1]
    assert "A001" not in graph
    assert "textfile=name.txt" in graph
    assert [(s.name, s.text) for s in plan.staged] == [("name.txt", "A001.mov")]
    assert plan.needs_font


def test_hdr_metadata_is_spelled_in_each_encoders_units() -> None:
    hdr = HdrMetadata(
        format="hdr10",
        mastering=MasteringDisplay(
            red=(0.708, 0.292), green=(0.17, 0.797), blue=(0.131, 0.046), white=(0.3127, 0.329),
            min_luminance=0.0001, max_luminance=1000.0,
        ),
        content_light=ContentLight(max_cll=1000, max_fall=400),
    )  # fmt: skip
    colour = Colour(primaries="bt2020", transfer="smpte2084", matrix="bt2020nc", range="limited")
    info = clip(picture(hdr=hdr, color=colour))

    x265 = Wish(info).plan(video={"codec": "hevc"}).passes[0]
    svt = Wish(info).plan(video={"codec": "av1"}).passes[0]

    assert x265[x265.index("-x265-params") + 1].split(":") == [
        "log-level=error", "pools=2", "frame-threads=1", "hdr10=1", "repeat-headers=1",
        "master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,1)",
        "max-cll=1000,400",
    ]  # fmt: skip
    assert "content-light=1000,400" in svt[svt.index("-svtav1-params") + 1]
    assert "L(1000.0000,0.0001)" in svt[svt.index("-svtav1-params") + 1]


def test_tone_mapping_names_what_it_starts_from() -> None:
    colour = Colour(primaries="bt2020", transfer="arib-std-b67", matrix="bt2020nc", range="limited")

    argv = Wish(clip(picture(color=colour))).plan(video={"tone_map": "mobius"}).passes[0]

    graph = argv[argv.index("-filter_complex") + 1]
    assert "transferin=arib-std-b67" in graph
    assert "tonemap=desat=0:tonemap=mobius" in graph
    assert "color_trc=bt709" in graph


def test_loudness_is_measured_first_and_then_set_linearly() -> None:
    profile = Profile.model_validate({"container": "mov", "audio": {"codec": "pcm_s24le", "loudness": -23}})
    measured = Loudness("-18.2", "-3.1", "5.0", "-28.5", "0.1")

    first = plan_loudness(clip(), profile, source=Asset("/clips/A001.mov"), input_args=["-i", "file:/x"])
    second = Wish(clip(), options={"loudness": [measured]}).plan(**profile.model_dump()).passes[0]

    assert first is not None
    assert "[0:1]loudnorm=I=-23.0:LRA=11.0:TP=-1.0:print_format=json[s0]" in first[0]
    graph = second[second.index("-filter_complex") + 1]
    assert "measured_I=-18.2" in graph
    assert "linear=true" in graph
    assert "aresample=48000" in graph


def test_subtitles_that_do_not_fit_are_left_out_with_a_warning() -> None:
    info = clip(subtitles=[SubtitleStream(index=2, codec="hdmv_pgs_subtitle")])

    plan = Wish(info).plan(container="mp4")

    assert any("hdmv_pgs_subtitle" in warning for warning in plan.warnings)


def test_tags_from_a_file_become_one_line_each() -> None:
    info = clip(tags={"title": "a\x1b[2J\nb", "encoder": "old", "bad=key": "x", "comment": "y" * 9000})

    argv = Wish(info).plan().passes[0]

    written = [argv[n + 1] for n, word in enumerate(argv) if word == "-metadata"]
    assert "title=a [2J b" in written
    assert not any(value.startswith(("encoder=", "bad")) for value in written)
    assert max(len(value) for value in written) < 4200


# -- refusals -------------------------------------------------------------------------------------------

_VFR = picture(rate_mode="vfr")
_LEFT, _RIGHT = sound(1, channels=1), sound(2, channels=1)
_TOP_FIRST = picture(field_order="tt")


@pytest.mark.parametrize(
    ("info", "profile", "why"),
    [
        (clip(), {"video": {"height": 2160}}, "larger than the source's 1920x1080"),
        (clip(), {"video": {"crop": "1920:1080:2:0"}}, "leaves the picture"),
        (clip(), {"video": {"codec": "prores"}, "container": "mp4"}, "mp4 is no container for prores"),
        (clip(), {"video": {"codec": "h264", "variant": "4444"}}, "has no variant '4444'"),
        (clip(), {"video": {"codec": "h264", "quality": 60}}, "quality of 0 to 51, not 60"),
        (clip(), {"video": {"codec": "dnxhr", "quality": 3}, "container": "mov"}, "has no quality scale"),
        (clip(), {"video": {"codec": "dnxhr", "bitrate": "9M"}, "container": "mov"}, "its own bit rate"),
        (clip(), {"video": {"codec": "av1"}, "target_size": "1GB"}, "one pass only"),
        (clip(), {"video": {"codec": "h264"}, "target_size": "10kB"}, "too few"),
        (clip(), {"video": {"speed": "warp"}}, "has no speed 'warp'"),
        (clip(), {"video": {"encoder_options": {"x264opts": "a"}}}, "no allowed option 'x264opts'"),
        (clip(), {"video": {"encoder_options": {"tune": "x:file=/etc"}}}, "does not take tune="),
        (clip(), {"video": {"codec": "prores", "keyframe_interval_s": 1}, "container": "mov"}, "key frame"),
        (clip(), {"video": {"pix_fmt": "rgb24"}}, "does not take the pixel format rgb24"),
        (clip(), {"video": {"codec": "avcintra", "height": 540}, "container": "mxf"}, "defined for"),
        (clip(), {"video": {"codec": "prores", "colour_range": "pc"}, "container": "mov"}, "limited range"),
        (clip(_VFR), {"video": {"codec": "dnxhr"}, "container": "mxf"}, "constant frame rate only"),
        (clip(_VFR), {"video": {"burn_in": ["timecode"]}}, "no timecode to burn in"),
        (clip(_TOP_FIRST), {"video": {"height": 540, "deinterlace": "off"}}, "would mix its fields"),
        (clip(picture(color=Colour())), {"video": {"colour": "bt2020"}}, "states its colour"),
        (clip(), {"audio": {"codec": "flac"}, "container": "ts"}, "ts does not hold flac"),
        (clip(), {"audio": {"tracks": [3]}}, "no audio track 3"),
        (clip(audio=[sound(channels=16)]), {"audio": {"codec": "aac"}}, "8 channels a track"),
        (clip(audio=[_LEFT, _RIGHT]), {"audio": {"loudness": -23}}, "mono tracks"),
        (clip(), {"audio": {"codec": "opus", "sample_rate": 44100}}, "cannot be sampled at 44100"),
        (clip(), {"video": {"codec": "copy"}, "container": "ts"}, "not hold prores"),
        (clip(), {"timecode": "25:00:00:00", "container": "mov"}, "does not exist"),
        (clip(), {"timecode": "01:00:00;00", "container": "mov"}, "no drop-frame"),
    ],
)  # fmt: skip
def test_what_the_source_cannot_give_is_refused_with_the_next_step(
    info: MediaInfo, profile: dict[str, Any], why: str
) -> None:
    with pytest.raises(CallerError, match=why) as refused:
        Wish(info).plan(**profile)

    assert refused.value.fix


def test_a_range_outside_the_clip_is_refused() -> None:
    with pytest.raises(CallerError, match="which has 100"):
        Wish(clip(), frames=(90, 101)).plan()


def test_subtitles_that_must_be_kept_are_not_lost() -> None:
    info = clip(subtitles=[SubtitleStream(index=2, codec="hdmv_pgs_subtitle")])

    with pytest.raises(CallerError, match="mp4 cannot hold"):
        Wish(info).plan(subtitles="keep")


def test_a_sequence_with_holes_is_the_medias_fault() -> None:
    holes = SequenceInfo(pattern="p.[1-9].exr", first=1, last=9, frames=7, missing=[(4, 5)])

    with pytest.raises(MediaError, match="lacks frames 4-5"):
        Wish(clip(sequence=holes)).plan()


@pytest.mark.parametrize(
    ("build", "why"),
    [(FakeBuild(encoders=()), "no encoder for h264"), (FakeBuild(filters=()), "no filter format")],
)
def test_a_build_without_the_means_is_the_platforms_fault(build: FakeBuild, why: str) -> None:
    with pytest.raises(PlatformError, match=why):
        Wish(clip(), build).plan()


def test_the_rate_is_exact() -> None:
    plan = Wish(clip(picture(frame_rate="24000/1001"))).plan()

    assert plan.expected.rate == Fraction(24000, 1001)
