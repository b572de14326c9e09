"""How each family of encoders is told the same wish: golden argv, as lists."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import pytest

from rushes.asset import Asset
from rushes.errors import CallerError
from rushes.media.describing.schema import Colour, Container, MediaInfo, VideoStream
from rushes.media.encoders import FAMILIES, VIDEO_ENCODERS, rows_of
from rushes.media.encoders.cards import CARDS, CPU, card_of, fit
from rushes.media.planning.device_graph import Spot
from rushes.media.planning.plan import EncodePlan, plan_encode
from rushes.media.profile import Profile
from rushes.media.running.builds import bundled_ffmpeg, read_build
from rushes_functions.proxy import ProxyParams

_TAGS = (
    "-color_primaries:v", "bt709", "-color_trc:v", "bt709", "-colorspace:v", "bt709", "-color_range:v", "tv",
)  # fmt: skip
_SETPARAMS = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:field_mode=prog:range=tv"
_MP4 = ("-tag:v", "avc1", "-fps_mode:v", "passthrough")


@dataclass
class EveryBuild:
    """A build that has all of the catalogue."""

    major: int = 9
    encoders: frozenset[str] = frozenset(row.name for row in VIDEO_ENCODERS)
    filters: frozenset[str] = frozenset(
        {"format", "setparams", "hwupload", "hwdownload", "scale", "setsar", "scale_cuda", "ni_quadra_scale",
         "scaler_ama", "scale_qsv", "scale_vaapi", "lut3d", "crop", "pad", "tonemap", "zscale"}
    )  # fmt: skip


def clip(**changes: Any) -> MediaInfo:
    facts: dict[str, Any] = {
        "index": 0, "codec": "h264", "width": 1920, "height": 1080, "frame_rate": "25/1",
        "rate_mode": "cfr", "rate_decided_by": "sample-table", "field_order": "progressive",
        "pix_fmt": "yuv420p", "bit_depth": 8, "duration_s": 4.0, "frames_declared": 100,
        "color": Colour(primaries="bt709", transfer="bt709", matrix="bt709", range="limited"),
    }  # fmt: skip
    return MediaInfo(
        name="A001.mov",
        container=Container(format="mov", size_bytes=1000, duration_s=4.0, start_s=0.0),
        video=[VideoStream(**{**facts, **changes})],
        audio=[],
    )


def plan(spot: Spot, video: dict[str, Any], container: str = "mp4", **changes: Any) -> EncodePlan:
    return plan_encode(
        clip(**changes),
        Profile.model_validate({"container": container, "video": video}),
        EveryBuild(),
        source=Asset("/clips/A001.mov"),
        input_args=["-i", "file:/clips/A001.mov"],
        target="file:/out/x",
        spot=spot,
    )


def encoder_words(made: EncodePlan) -> list[str]:
    words = list(made.passes[-1])
    return words[words.index("-c:v:0") : words.index("-map_metadata")]


def graph(made: EncodePlan) -> str:
    words = made.passes[-1]
    return words[words.index("-filter_complex") + 1]


_WISH = {"codec": "h264", "quality": 23, "speed": "slow", "keyframe_interval_s": 2}


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        (
            "software",
            ["-c:v:0", "libx264", "-profile:v", "high", "-pix_fmt:v", "yuv420p", *_TAGS, *_MP4,
             "-crf", "23", "-preset", "slow", "-g", "50", "-threads:v", "2", "-a53cc", "1"],
        ),
        (
            "nvenc",
            ["-c:v:0", "h264_nvenc", "-profile:v", "high", "-gpu", "1", "-pix_fmt:v", "yuv420p", *_TAGS,
             *_MP4, "-cq:v", "23", "-rc:v", "vbr", "-b:v", "0", "-preset", "p5", "-g", "50",
             "-forced-idr", "1", "-a53cc", "1"],
        ),
        (
            "netint",
            ["-c:v:0", "h264_ni_quadra_enc", "-enc", "1", "-pix_fmt:v", "yuv420p", *_TAGS, *_MP4,
             "-xcoder-params", "RcEnable=0:crf=23:lookAheadDepth=16:EnableRdoQuant=1:intraPeriod=50"],
        ),
        (
            "ama",
            ["-c:v:0", "h264_ama", "-profile:v", "high", *_TAGS, *_MP4,
             "-crf", "23", "-preset", "slow", "-g", "50"],
        ),
        (
            "qsv",
            ["-c:v:0", "h264_qsv", "-profile:v", "high", "-pix_fmt:v", "nv12", *_TAGS, *_MP4,
             "-global_quality:v", "23", "-preset", "slow", "-g", "50", "-forced_idr", "1", "-a53cc", "1"],
        ),
    ],
)  # fmt: skip
def test_a_quality_a_preset_and_a_key_frame_distance_are_spelled_by_each_family(
    family: str, expected: list[str]
) -> None:
    assert encoder_words(plan(Spot(family, 1), _WISH)) == expected


def test_vaapi_has_one_speed_and_takes_any_that_is_one() -> None:
    assert "-preset" not in encoder_words(plan(Spot("vaapi"), _WISH))
    with pytest.raises(CallerError, match=r"h264_vaapi.* has no speed 'slowish'"):
        plan(Spot("vaapi"), {**_WISH, "speed": "slowish"})


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "software"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_every_family_has_words_for_a_proxy(family: str, codec: Literal["h264", "hevc"]) -> None:
    wish = ProxyParams(codec=codec).profile().video.model_dump()

    made = plan(Spot(family), wish, "mov")

    assert made.encoder == next(row.name for row in rows_of(codec, family))
    assert "-tune" not in made.passes[-1]


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("software", ["-b:v", "4000000", "-maxrate", "6000000", "-bufsize", "12000000"]),
        ("nvenc", ["-rc:v", "vbr", "-b:v", "4000000", "-maxrate", "6000000", "-bufsize", "12000000"]),
        ("netint", ["-b:v", "4000000"]),
        ("ama", ["-b:v", "4000000", "-max_bitrate", "6000000"]),
        ("qsv", ["-b:v", "4000000", "-maxrate", "6000000", "-bufsize", "12000000"]),
        ("vaapi", ["-rc_mode:v", "VBR", "-b:v", "4000000", "-maxrate", "6000000", "-bufsize", "12000000"]),
    ],
)
def test_a_bit_rate_under_a_cap_is_spelled_by_each_family(family: str, expected: list[str]) -> None:
    made = plan(Spot(family), {"codec": "hevc", "bitrate": "4M", "max_bitrate": "6M"}, "mkv")

    assert _contains(encoder_words(made), expected)
    if family == "netint":
        assert made.passes[-1][list(made.passes[-1]).index("-xcoder-params") + 1] == (
            "RcEnable=1:vbvBufferSize=2000:vbvMaxRate=6000000"
        )


@pytest.mark.parametrize("family", ["netint", "qsv", "vaapi"])
def test_a_cap_beside_a_quality_is_refused_where_the_encoder_would_ignore_one_of_the_two(family: str) -> None:
    with pytest.raises(CallerError, match="takes no max_bitrate beside a quality"):
        plan(Spot(family), {"codec": "h264", "quality": 23, "max_bitrate": "6M"})


@pytest.mark.parametrize(
    ("family", "words", "chain"),
    [
        ("nvenc", ["hevc_nvenc", "-profile:v", "main10", "-gpu", "0", "-pix_fmt:v", "p010le"], "p010le"),
        ("netint", ["h265_ni_quadra_enc", "-enc", "0", "-pix_fmt:v", "yuv420p10le"], "yuv420p10le"),
        ("ama", ["hevc_ama", "-profile:v", "main-10", "-color_primaries:v"], "p010le"),
        ("qsv", ["hevc_qsv", "-profile:v", "main10", "-pix_fmt:v", "p010le"], "p010le"),
        ("vaapi", ["hevc_vaapi", "-profile:v", "main10", "-color_primaries:v"], "p010le"),
    ],
)
def test_ten_bits_stay_ten_bits_in_the_layout_that_the_device_takes(
    family: str, words: list[str], chain: str
) -> None:
    made = plan(Spot(family), {"codec": "hevc"}, "mkv", pix_fmt="yuv420p10le", bit_depth=10)

    assert _contains(encoder_words(made), words)
    upload = ",hwupload" if family in {"ama", "vaapi"} else ""
    assert graph(made) == f"[0:0]format=pix_fmts={chain}[s0];[s0]{_SETPARAMS}" + (
        "[s1];[s1]hwupload[s2]" if upload else "[s1]"
    )


@pytest.mark.parametrize(
    ("family", "opened"),
    [
        ("nvenc", []),
        ("netint", []),
        ("ama", ["-init_hw_device", "ama=card:/dev/ama_transcoder2", "-filter_hw_device", "card"]),
        ("qsv", ["-init_hw_device", "qsv=card:hw_any,child_device=/dev/dri/renderD130",
                 "-filter_hw_device", "card"]),
        ("vaapi", ["-vaapi_device", "/dev/dri/renderD130"]),
    ],
)  # fmt: skip
def test_a_device_is_opened_before_the_input_by_its_node(family: str, opened: list[str]) -> None:
    words = list(plan(Spot(family, 2), {"codec": "h264"}).passes[-1])

    before = words[words.index("-filter_complex_threads") + 2 : words.index("-threads")]
    assert before == opened


def test_a_node_that_a_probe_has_seen_goes_before_the_usual_one() -> None:
    words = plan(Spot("vaapi", 0, "/dev/dri/renderD140"), {"codec": "h264"}).passes[-1]

    assert _contains(words, ["-vaapi_device", "/dev/dri/renderD140"])


@pytest.mark.parametrize(
    ("family", "opened", "scaled"),
    [
        ("nvenc", ["-hwaccel", "cuda", "-hwaccel_device", "0", "-hwaccel_output_format", "cuda"],
         "scale_cuda=h=360:w=640"),
        ("netint", ["-c:v", "h264_ni_quadra_dec", "-dec", "0", "-xcoder-params", "out=hw"],
         "ni_quadra_scale=h=360:w=640"),
        ("ama", ["-hwaccel", "ama", "-hwaccel_device", "card", "-c:v", "h264_ama"],
         "scaler_ama=out_res=(640x360):outputs=1"),
        ("qsv", ["-hwaccel", "qsv", "-hwaccel_device", "card", "-c:v", "h264_qsv",
                 "-hwaccel_output_format", "qsv"],
         "scale_qsv=h=360:w=640"),
        ("vaapi", ["-hwaccel", "vaapi", "-hwaccel_device", "/dev/dri/renderD128",
                   "-hwaccel_output_format", "vaapi"],
         "scale_vaapi=h=360:w=640"),
    ],
)  # fmt: skip
def test_a_picture_that_is_only_scaled_stays_on_the_device(
    family: str, opened: list[str], scaled: str
) -> None:
    spot = Spot(family, 0, decoder="device", codec="h264")

    made = plan(spot, {"codec": "h264", "width": 640, "height": 360})

    words = list(made.passes[-1])
    assert words[words.index("-threads") + 2 : words.index("-i")] == opened
    assert graph(made) == f"[0:0]{scaled}[s0];[s0]setsar=sar=1/1[s1];[s1]{_SETPARAMS}[s2]"
    assert "-pix_fmt:v" not in words, "frames on the device have a format of their own"


@pytest.mark.parametrize(
    "video",
    [
        {"codec": "h264"},
        {"codec": "h264", "width": 640, "height": 360, "crop": "1280:720:0:0"},
        {"codec": "h264", "width": 640, "height": 640, "fit": "pad"},
        {"codec": "h264", "width": 640, "height": 360, "colour_range": "pc"},
    ],
    ids=["as-it-is", "cropped", "padded", "other-levels"],
)
def test_what_is_more_than_scaled_comes_down_to_the_processor(video: dict[str, Any]) -> None:
    made = plan(Spot("nvenc", 0, decoder="device", codec="h264"), video)

    words = list(made.passes[-1])
    assert words[words.index("-threads") + 2 : words.index("-i")] == [
        "-hwaccel",
        "cuda",
        "-hwaccel_device",
        "0",
    ]
    assert "scale_cuda" not in graph(made)


@pytest.mark.parametrize(
    ("family", "opened", "first"),
    [
        ("nvenc", ["-hwaccel", "cuda", "-hwaccel_device", "0"], "crop"),
        ("netint", ["-c:v", "hevc_ni", "-dec", "0"], "crop"),
        ("ama", ["-hwaccel", "ama", "-hwaccel_device", "card", "-c:v", "hevc_ama",
                 "-out_fmt", "yuv420p10le"], "hwdownload"),
        ("qsv", ["-hwaccel", "qsv", "-hwaccel_device", "card", "-c:v", "hevc_qsv",
                 "-hwaccel_output_format", "p010le"], "crop"),
        ("vaapi", ["-hwaccel", "vaapi", "-hwaccel_device", "/dev/dri/renderD128"], "crop"),
    ],
)  # fmt: skip
def test_what_a_device_has_decoded_is_brought_down_where_more_is_done_to_it(
    family: str, opened: list[str], first: str
) -> None:
    opened = ["h265_ni_quadra_dec" if word == "hevc_ni" else word for word in opened]
    spot = Spot(family, 0, decoder="device", codec="hevc", depth=10)

    made = plan(spot, {"codec": "hevc", "crop": "1280:720:0:0"}, "mkv",
                codec="hevc", pix_fmt="yuv420p10le", bit_depth=10)  # fmt: skip

    words = list(made.passes[-1])
    assert words[words.index("-threads") + 2 : words.index("-i")] == opened
    assert graph(made).startswith(f"[0:0]{first}")
    if first == "hwdownload":
        assert graph(made).startswith("[0:0]hwdownload[s0];[s0]format=pix_fmts=yuv420p10le[s1]")


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "software"])
def test_every_family_decodes_and_scales_on_its_device(family: str) -> None:
    how = FAMILIES[family].decode

    assert how is not None
    assert {"h264", "hevc"} <= set(how.codecs)
    assert how.scale is not None
    assert all("{w}" in text or "{h}" in text or text == "1" for text in how.scale_by.values())


def test_ten_bits_become_eight_on_the_processor_which_dithers_them() -> None:
    spot = Spot("nvenc", 0, decoder="device", codec="hevc", depth=10)
    small = {"width": 640, "height": 360}

    eight = plan(spot, {"codec": "h264", **small}, codec="hevc", pix_fmt="yuv420p10le", bit_depth=10)
    ten = plan(spot, {"codec": "hevc", **small}, codec="hevc", pix_fmt="yuv420p10le", bit_depth=10)

    assert "scale_cuda" not in graph(eight)
    assert "scale_cuda" in graph(ten)


def test_quadra_takes_so_many_frames_between_key_frames_and_no_more() -> None:
    with pytest.raises(CallerError, match="at most 1024 frames between key frames, not 2500") as refused:
        plan(Spot("netint"), {"codec": "h264", "keyframe_interval_s": 100})

    assert "40.96" in refused.value.fix


def test_options_of_a_vpu_go_into_its_parameter_string_and_unknown_ones_are_refused() -> None:
    video = {"codec": "h264", "encoder_options": {"gopPresetIdx": "9", "lookAheadDepth": "20"}}

    words = encoder_words(plan(Spot("netint"), video))

    assert words[-1] == "RcEnable=0:crf=21:gopPresetIdx=9:lookAheadDepth=20"
    with pytest.raises(CallerError, match=r"h264_nvenc.*has no allowed option 'gopPresetIdx'"):
        plan(Spot("nvenc"), video)


def test_a_picture_of_seventeen_thousand_pixels_is_for_software() -> None:
    with pytest.raises(CallerError, match=r"h264_nvenc.* at most 4096x4096"):
        plan(Spot("nvenc"), {"codec": "h264"}, width=8192, height=4320)

    assert plan(Spot(), {"codec": "hevc"}, width=17520, height=8040).expected.size == (17520, 8040)


# -- the catalogue itself ------------------------------------------------------------------------------------


def test_every_row_belongs_to_a_known_family_and_every_family_has_rows() -> None:
    assert {row.family for row in VIDEO_ENCODERS} == set(FAMILIES)
    assert len({(row.name, row.codec) for row in VIDEO_ENCODERS}) == len(VIDEO_ENCODERS)


@pytest.mark.parametrize("family", ["nvenc", "qsv", "vaapi"])
def test_the_options_of_a_row_are_options_of_the_encoder(family: str) -> None:
    build = read_build(bundled_ffmpeg())
    for row in (row for row in VIDEO_ENCODERS if row.family == family):
        said = subprocess.run(
            [build.path, "-hide_banner", "-h", f"encoder={row.name}"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        written = [word for word in row.fixed if word.startswith("-")]
        written += [
            word for spelled in row.speed_as.values() for word in spelled.args if word.startswith("-")
        ]
        for option in {word.removeprefix("-") for word in written} | set(row.options):
            # refs, bf, tier and level are in some encoders options of every codec instead.
            assert f"  -{option} " in said or option in {"refs", "bf", "level"}, f"{row.name} has no {option}"


def test_the_default_quality_of_every_row_is_on_its_scale() -> None:
    for row in VIDEO_ENCODERS:
        if row.quality is not None and row.family != "software":
            assert row.quality.low <= row.quality.default <= row.quality.high, row.name


def test_each_published_figure_names_its_source() -> None:
    figures = [f for card in CARDS for f in (card.sessions, card.watts, card.usd_per_h) if f is not None]

    assert all(figure.source and figure.mark for figure in figures)
    assert all(capacity.source and capacity.mark for card in CARDS for capacity in card.capacities)


def test_a_fit_gives_back_the_rates_that_it_was_made_from() -> None:
    capacity = CPU.capacity("h264")
    assert capacity is not None

    for rate in capacity.rates:
        assert 1 / capacity.seconds(rate.pixels, 1) == pytest.approx(rate.frames_per_s, rel=0.07)
    assert fit(capacity.rates[:1])[1] == 0.0, "one size alone says nothing of what a frame costs"


@pytest.mark.parametrize(
    ("family", "model", "key"),
    [
        ("nvenc", "NVIDIA L4", "l4"),
        ("nvenc", "NVIDIA L40S", "l40s"),
        ("nvenc", "Tesla T4", "t4"),
        ("nvenc", "NVIDIA H100 80GB HBM3", "no-nvenc"),
        ("nvenc", "NVIDIA A10G", "a10g"),
        ("netint", "QuadraT1U", "quadra-t1u"),
        ("qsv", "Intel Data Center GPU Flex 140", "flex-140"),
        ("nvenc", "Some card of next year", None),
    ],
)
def test_a_device_is_known_by_what_it_calls_itself(family: str, model: str, key: str | None) -> None:
    found = card_of(family, model)

    assert (found.key if found else None) == key


def test_rows_are_found_by_codec_and_family() -> None:
    assert [row.name for row in rows_of("av1", "netint")] == ["av1_ni_quadra_enc"]
    assert [row.name for row in rows_of("prores", "nvenc")] == []


def _contains(words: Sequence[str], part: Sequence[str]) -> bool:
    width = len(part)
    assert list(part) in [list(words[i : i + width]) for i in range(len(words))], (list(part), list(words))
    return all(pair in set(pairwise(words)) for pair in pairwise(part))
