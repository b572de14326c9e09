"""A ladder's plan: golden text, nothing is opened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from media.planned_ladder import FILTERS, FakeBuild, described, graph_of, planned, sizes_of, words_after

from rushes.asset import Asset
from rushes.errors import CallerError, MediaError, PlatformError
from rushes.media.describing.schema import Colour, MediaInfo
from rushes.media.encoders import VIDEO_ENCODERS
from rushes.media.ladders.ladder import LadderPlan, plan_ladder
from rushes.media.ladders.packaging import segment_frames
from rushes.media.ladders.rung_plan import rung_wishes
from rushes.media.ladders.rungs import Ladder, LadderCodec, Rung
from rushes.media.ladders.still_branches import Stills
from rushes.media.planning.device_graph import Spot
from rushes.media.profile import AudioWish

# -- the command ------------------------------------------------------------------------------------------


def test_one_decode_feeds_every_rung_through_the_next_larger_one() -> None:
    plan = planned(1080, 720, 360)

    assert words_after(plan, "-i") == ["file:/clips/A001.mov"]
    assert graph_of(plan) == [
        "[0:0]format=pix_fmts=yuv420p[s0]",
        "[s0]setparams=field_mode=prog[s1]",
        "[s1]split=2[s2][s3]",
        "[s3]scale=flags=bicubic+accurate_rnd:h=720:w=1280[s4]",
        "[s4]setsar=sar=1/1[s5]",
        "[s5]split=2[s6][s7]",
        "[s7]scale=flags=bicubic+accurate_rnd:h=360:w=640[s8]",
        "[s8]setsar=sar=1/1[s9]",
        "[0:1]aresample=async=1:first_pts=0[s10]",
    ]
    assert words_after(plan, "-map") == ["[s2]", "[s6]", "[s9]", "[s10]"]


def test_every_rung_has_closed_groups_of_the_same_length_and_no_cut_starts_one() -> None:
    plan = planned(1080, 360, gop_s=2.0)

    assert plan.gop_frames == 50
    assert words_after(plan, "-g") == ["50", "50"]
    assert words_after(plan, "-x264-params") == ["scenecut=0:open-gop=0"] * 2


@pytest.mark.parametrize(
    ("codec", "option", "words"),
    [
        ("hevc", "-x265-params", "scenecut=0:open-gop=0:min-keyint=50"),
        ("av1", "-svtav1-params", "scd=0:irefresh-type=2"),
    ],
)
def test_each_codec_is_told_so_in_its_own_words(codec: Any, option: str, words: str) -> None:
    plan = planned(rungs=(Rung(360, codec=codec),))

    assert words_after(plan, option)[0].endswith(words)


def test_sound_is_encoded_once_and_only_the_first_track() -> None:
    plan = planned(1080, 720, 360, info=described((2, 2)))

    assert words_after(plan, "-c:a:0") == ["aac"]
    assert [s.name for s in plan.sounds] == ["sound-1"]


def test_surround_is_mixed_down_and_named_tracks_are_all_kept() -> None:
    plan = planned(360, info=described((6, 1)), audio=AudioWish(codec="aac", tracks=(0, 1)))

    assert [s.channels for s in plan.sounds] == [2, 2]
    assert len(words_after(plan, "-c:a:0")) == 2


def test_stills_are_taken_from_the_smallest_rung_that_is_large_enough() -> None:
    plan = planned(1080, 360, 90, stills=Stills(every_s=2, columns=3, rows=2, height=180))

    graph = graph_of(plan)
    assert sum("select=expr=gte(t-start_t\\,selected_n*2.000000)" in step for step in graph) == 1
    assert sum("select=expr=gte(t-start_t\\,selected_n*0.666667)" in step for step in graph) == 1
    assert sum("scale=" in step and "h=180:out_range=pc:w=320" in step for step in graph) == 2
    assert any(step.split("]")[1].startswith("tile=layout=3x2") for step in graph)
    assert plan.args[-1] == "file:/stills/contact-sheet.jpg"
    assert "file:/stills/thumbnails/%05d.jpg" in plan.args


def test_a_picture_that_starts_late_moves_the_sound_with_it_and_says_so() -> None:
    plan = planned(1080, info=described(start_s=0.5))

    graph = graph_of(plan)
    assert graph[0] == "[0:0]setpts=PTS-0.500000/TB[s0]"
    assert "[0:1]asetpts=PTS-0.500000/TB[s3]" in graph
    assert any("0.500 s late" in warning for warning in plan.warnings)


def test_pictures_that_a_decoder_drops_at_the_start_are_filled_in() -> None:
    assert any("fps=fps=25:round=near:start_time=0" in step for step in graph_of(planned(1080, leading=2)))


# -- rungs on devices ---------------------------------------------------------------------------------------

_ON_CARDS = ("scale_cuda", "scale_qsv", "scale_vaapi", "ni_quadra_scale", "scaler_ama")
_EVERYTHING = FakeBuild(
    encoders=tuple(row.name for row in VIDEO_ENCODERS),
    filters=(*FILTERS, *_ON_CARDS, "hwupload", "hwdownload"),
)


def _mixed(family: str, *, decodes: bool = False, **wish: Any) -> LadderPlan:
    """1080 lines on a device, 360 here, from one decode."""
    ladder = Ladder((Rung(1080), Rung(360)), **wish)
    wishes, _ = rung_wishes(described(), ladder)
    spot = Spot(family, 1, decoder="device" if decodes else "software", codec="h264")
    return plan_ladder(
        described(),
        ladder,
        _EVERYTHING,
        source=Asset("/clips/A001.mov"),
        input_args=["-i", "file:/clips/A001.mov"],
        place="file:/out",
        stills_place="file:/stills",
        present=100,
        present_s=4.0,
        wishes=[replace(wishes[0], spot=spot), wishes[1]],
        decoded=spot,
    )


def _of_rung(plan: LadderPlan, name: str) -> list[str]:
    """The encoder's words of one rung."""
    end = plan.args.index(f"file:/out/{name}.mp4")
    start = max(n for n, word in enumerate(plan.args[:end]) if word == "-map")
    words = list(plan.args[start:end])
    return words[words.index("-c:v:0") + 1 : words.index("-map_metadata")]


_X264 = ["libx264", "-profile:v", "high", "-pix_fmt:v", "yuv420p", "-tag:v", "avc1",
         "-fps_mode:v", "passthrough", "-crf", "20", "-preset", "medium", "-g", "50", "-threads:v", "2",
         "-a53cc", "1", "-x264-params", "scenecut=0:open-gop=0"]  # fmt: skip


@pytest.mark.parametrize(
    ("family", "words"),
    [
        ("nvenc", ["h264_nvenc", "-profile:v", "high", "-gpu", "1", "-pix_fmt:v", "yuv420p",
                   "-tag:v", "avc1", "-fps_mode:v", "passthrough", "-cq:v", "20", "-rc:v", "vbr", "-b:v", "0",
                   "-preset", "p4", "-g", "50", "-forced-idr", "1", "-a53cc", "1", "-no-scenecut", "1"]),
        ("netint", ["h264_ni_quadra_enc", "-enc", "1", "-pix_fmt:v", "yuv420p", "-tag:v", "avc1",
                    "-fps_mode:v", "passthrough",
                    "-xcoder-params", "RcEnable=0:crf=20:intraPeriod=50"]),
        ("ama", ["h264_ama", "-profile:v", "high", "-tag:v", "avc1", "-fps_mode:v", "passthrough",
                 "-crf", "20", "-g", "50", "-forced_idr", "1", "-dynamic_gop", "0"]),
        ("qsv", ["h264_qsv", "-profile:v", "high", "-pix_fmt:v", "nv12", "-tag:v", "avc1",
                 "-fps_mode:v", "passthrough", "-global_quality:v", "20", "-preset", "medium", "-g", "50",
                 "-forced_idr", "1", "-a53cc", "1", "-adaptive_i", "0", "-flags:v", "+cgop"]),
        ("vaapi", ["h264_vaapi", "-profile:v", "high", "-tag:v", "avc1", "-fps_mode:v", "passthrough",
                   "-global_quality:v", "20", "-rc_mode:v", "CQP", "-g", "50"]),
    ],
)  # fmt: skip
def test_each_family_is_told_to_start_groups_where_all_rungs_start_one(family: str, words: list[str]) -> None:
    plan = _mixed(family)

    assert _of_rung(plan, "1080p") == words
    assert _of_rung(plan, "360p") == _X264


def _on_card(
    spot: Spot,
    *rungs: int,
    here: int = 0,
    build: FakeBuild = _EVERYTHING,
    info: MediaInfo | None = None,
    codec: LadderCodec = "h264",
    **wish: Any,
) -> LadderPlan:
    """A ladder on a card, which decodes as well; the last `here` rungs are the processor's."""
    ladder = Ladder(tuple(Rung(height, codec=codec) for height in rungs), **wish)
    info = info or described()
    wishes, _ = rung_wishes(info, ladder)
    on_card = len(wishes) - here
    return plan_ladder(
        info,
        ladder,
        build,
        source=Asset("/clips/A001.mov"),
        input_args=["-i", "file:/clips/A001.mov"],
        place="file:/out",
        stills_place="file:/stills",
        present=100,
        present_s=4.0,
        wishes=[replace(one, spot=spot) if at < on_card else one for at, one in enumerate(wishes)],
        decoded=spot,
    )


def _card(family: str, **more: Any) -> Spot:
    return Spot(family, 1, decoder="device", codec="h264", **more)


@pytest.mark.parametrize(
    ("family", "opened", "scale"),
    [
        ("nvenc", ["-hwaccel", "cuda", "-hwaccel_device", "1", "-hwaccel_output_format", "cuda",
                   "-extra_hw_frames", "8"], "scale_cuda=h={h}:w={w}"),
        ("netint", ["-c:v", "h264_ni_quadra_dec", "-dec", "1", "-xcoder-params", "out=hw"],
         "ni_quadra_scale=h={h}:w={w}"),
        ("ama", ["-hwaccel", "ama", "-hwaccel_device", "card", "-c:v", "h264_ama"],
         "scaler_ama=out_res=({w}x{h}):outputs=1"),
        ("qsv", ["-hwaccel", "qsv", "-hwaccel_device", "card", "-c:v", "h264_qsv",
                 "-hwaccel_output_format", "qsv", "-extra_hw_frames", "8"], "scale_qsv=h={h}:w={w}"),
        ("vaapi", ["-hwaccel", "vaapi", "-hwaccel_device", "/dev/dri/renderD129",
                   "-hwaccel_output_format", "vaapi", "-extra_hw_frames", "8"], "scale_vaapi=h={h}:w={w}"),
    ],
)  # fmt: skip
def test_a_ladder_on_one_card_never_leaves_it(family: str, opened: list[str], scale: str) -> None:
    plan = _on_card(_card(family), 1080, 720, 360)

    start = plan.args.index("-hwaccel" if "-hwaccel" in opened else "-c:v")
    assert list(plan.args[start : plan.args.index("-i")]) == opened
    assert graph_of(plan) == [
        "[0:0]setparams=field_mode=prog[s0]",
        "[s0]split=2[s1][s2]",
        f"[s2]{scale.format(w=1280, h=720)}[s3]",
        "[s3]setsar=sar=1/1[s4]",
        "[s4]split=2[s5][s6]",
        f"[s6]{scale.format(w=640, h=360)}[s7]",
        "[s7]setsar=sar=1/1[s8]",
        "[0:1]aresample=async=1:first_pts=0[s9]",
    ]
    assert words_after(plan, "-map")[:3] == ["[s1]", "[s5]", "[s8]"]
    assert "-pix_fmt:v" not in plan.args, "frames on the card have a format of its own"


def test_what_the_processor_makes_of_a_card_s_ladder_is_brought_down_once_it_is_small() -> None:
    plan = _on_card(_card("nvenc"), 1080, 720, 360, here=1, stills=Stills(every_s=1, height=720))

    assert graph_of(plan)[:13] == [
        "[0:0]setparams=field_mode=prog[s0]",
        "[s0]split=2[s1][s2]",
        "[s2]scale_cuda=h=720:w=1280[s3]",
        "[s3]setsar=sar=1/1[s4]",
        "[s4]split=3[s5][s6][s7]",
        "[s6]hwdownload[s8]",
        "[s8]format=pix_fmts=nv12[s9]",
        "[s9]format=pix_fmts=yuv420p[s10]",
        "[s10]scale=flags=bicubic+accurate_rnd:h=360:w=640[s11]",
        "[s11]setsar=sar=1/1[s12]",
        r"[s7]select=expr=gte(t-start_t\,selected_n*1.000000)[s13]",
        "[s13]hwdownload[s14]",
        "[s14]format=pix_fmts=nv12[s15]",
    ]
    assert _of_rung(plan, "360p") == _X264


_DEEP: dict[str, Any] = {"codec": "hevc", "pix_fmt": "yuv420p10le", "bit_depth": 10}
_NO_SCALER = replace(_EVERYTHING, filters=tuple(f for f in _EVERYTHING.filters if f != "scale_cuda"))


@pytest.mark.parametrize(
    ("spot", "rungs", "more"),
    [
        (Spot("nvenc", 1), (1080, 360), {}),
        (_card("nvenc"), (1080, 360), {"here": 2}),
        (_card("nvenc", depth=10), (1080, 360), {"info": described(**_DEEP)}),
        (_card("nvenc"), (1080, 360), {"info": described(color=Colour(range="full"))}),
        (_card("nvenc"), (1080, 360), {"build": _NO_SCALER}),
        (_card("ama"), (1080, 360), {"here": 1}),
        (_card("ama"), (1080, 360), {"stills": Stills(every_s=1)}),
    ],
    ids=["not-decoded-there", "largest-here", "fewer-bits", "full-levels", "no-scaler", "ama-mixed",
         "ama-stills"],
)  # fmt: skip
def test_more_than_a_change_of_size_passes_through_the_processor(
    spot: Spot, rungs: tuple[int, ...], more: dict[str, Any]
) -> None:
    plan = _on_card(spot, *rungs, **more)

    assert not [step for step in graph_of(plan) if any(f"]{name}=" in step for name in _ON_CARDS)]
    assert "-extra_hw_frames" not in plan.args


def test_ten_bits_stay_on_a_card_as_ten() -> None:
    spot = Spot("nvenc", 1, decoder="device", codec="hevc", depth=10)

    plan = _on_card(spot, 1080, 360, info=described(**_DEEP), codec="hevc")

    assert any("scale_cuda" in step for step in graph_of(plan))


@pytest.mark.parametrize(
    ("family", "head", "own", "last"),
    [
        ("ama", ["hwdownload", "format=pix_fmts=yuv420p"], "hwupload", "format=pix_fmts=yuv420p"),
    ],
)
def test_what_a_card_cannot_bring_down_later_comes_down_first(
    family: str, head: list[str], own: str, last: str
) -> None:
    plan = _mixed(family, decodes=True)

    graph = [step.partition("]")[2].rpartition("[")[0] for step in graph_of(plan)]
    assert graph[: len(head)] == head
    assert own in graph
    below = graph[graph.index("setsar=sar=1/1") + 1 :]
    assert below[0] == last
    assert words_after(plan, "-i") == ["file:/clips/A001.mov"]
    assert "-hwaccel" in plan.args


def test_what_a_device_s_rung_is_uploaded_for_is_taken_from_before_the_upload() -> None:
    plan = _mixed("vaapi")

    assert graph_of(plan)[:6] == [
        "[0:0]format=pix_fmts=nv12[s0]",
        "[s0]setparams=field_mode=prog[s1]",
        "[s1]split=2[s2][s3]",
        "[s2]hwupload[s4]",
        "[s3]scale=flags=bicubic+accurate_rnd:h=360:w=640[s5]",
        "[s5]setsar=sar=1/1[s6]",
    ]
    assert words_after(plan, "-map")[0] == "[s4]"


# -- which rungs --------------------------------------------------------------------------------------------


def test_a_rung_above_the_source_is_left_out_with_a_warning_and_an_equal_one_kept() -> None:
    plan = planned(2160, 1080, 720)

    assert sizes_of(plan) == [("1080p", 1920, 1080), ("720p", 1280, 720)]
    assert plan.warnings == ("the rung of 2160 lines is left out: the source has 1920x1080",)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"width": 1920, "height": 800}, [("1080p", 1920, 800), ("480p", 854, 356), ("240p", 426, 178)]),
        ({"width": 1440, "height": 1080, "sar": "4:3"}, [("1080p", 1920, 1080), ("480p", 854, 480),
                                                          ("240p", 426, 240)]),
        ({"width": 1920, "height": 1080, "rotation": 90}, [("1080p", 1080, 1920), ("480p", 480, 854),
                                                           ("240p", 240, 426)]),
        ({"width": 720, "height": 576, "sar": "16:15"}, [("480p", 640, 480), ("240p", 320, 240)]),
        ({"width": 201, "height": 101}, [("240p", 200, 100)]),
    ],
)  # fmt: skip
def test_sizes_are_even_keep_the_shape_and_never_grow(
    source: dict[str, Any], expected: list[tuple[str, int, int]]
) -> None:
    assert sizes_of(planned(1080, 480, 240, info=described(**source))) == expected


def test_a_bit_rate_is_capped_at_half_as_much_again() -> None:
    plan = planned(rungs=(Rung(720, bitrate=3_000_000),))

    assert words_after(plan, "-b:v") == ["3000000"]
    assert words_after(plan, "-maxrate") == ["4500000"]


_PQ: dict[str, Any] = {
    "pix_fmt": "yuv420p10le", "bit_depth": 10,
    "color": Colour(primaries="bt2020", transfer="smpte2084", matrix="bt2020nc", range="limited"),
}  # fmt: skip


def test_hdr_is_tone_mapped_once_for_all_where_a_codec_of_the_ladder_has_8_bits() -> None:
    plan = planned(rungs=(Rung(1080, codec="hevc"), Rung(720, codec="h264")), info=described(**_PQ))

    assert sum("tonemap" in step for step in graph_of(plan)) == 1
    assert words_after(plan, "-pix_fmt:v") == ["yuv420p", "yuv420p"]
    assert {r.video_range for r in plan.renditions} == {"SDR"}
    assert "the source is HDR: every rung is tone mapped to SDR" in plan.warnings


def test_hdr_is_kept_where_every_codec_has_10_bits() -> None:
    plan = planned(rungs=(Rung(1080, codec="hevc"), Rung(720, codec="av1")), info=described(**_PQ))

    assert not any("tonemap" in step for step in graph_of(plan))
    assert [r.video_range for r in plan.renditions] == ["PQ", "PQ"]
    assert [r.name for r in plan.renditions] == ["1080p-hevc", "720p-av1"]


@pytest.mark.parametrize(
    ("wish", "info"),
    [
        ({"rungs": (Rung(1080),), "hdr": "keep"}, described(**_PQ)),
        ({"rungs": (Rung(720), Rung(720))}, described()),
        ({"rungs": ()}, described()),
        (
            {"rungs": (Rung(720),)},
            described(frame_rate=None, rate_mode="unknown", rate_decided_by="undecided"),
        ),
    ],
)
def test_what_cannot_be_a_ladder_is_refused(wish: dict[str, Any], info: MediaInfo) -> None:
    with pytest.raises(CallerError) as refused:
        planned(info=info, **wish)

    assert refused.value.code == "bad-option"


def test_a_clip_without_picture_is_refused() -> None:
    with pytest.raises(MediaError) as refused:
        planned(720, info=described().model_copy(update={"video": []}))

    assert refused.value.code == "no-video"


def test_a_build_without_a_filter_is_named() -> None:
    with pytest.raises(PlatformError, match="no filter scale"):
        planned(720, build=FakeBuild(filters=tuple(f for f in FILTERS if f != "scale")))


def test_a_segment_is_whole_groups_of_pictures() -> None:
    plan = planned(1080, gop_s=2.0, info=described(frame_rate="24000/1001"))

    assert plan.gop_frames == 48
    assert [segment_frames(plan, s) for s in (0.5, 4, 5.2, 6)] == [48, 96, 144, 144]
