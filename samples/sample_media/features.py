"""What makes real footage awkward: fields, rates, rotation, colour, timecode, tracks, edits, odd shapes.

One clip carries one such thing, so that a failing comparison says which one was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sample_media.containers import AAC, PCM, X264, X265, card, tone
from sample_media.recipe import Facts, Recipe, Workshop

__all__ = ["RECIPES"]

_MPEG2 = ("-c:v", "mpeg2video", "-b:v", "3M", "-pix_fmt", "yuv422p")
_PRORES = ("-c:v", "prores_ks", "-profile:v", "proxy", "-pix_fmt", "yuv422p10le")
_BT709 = ("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv")


def _simple(
    name: str, options: tuple[str, ...], facts: Facts, *sources: str, before: tuple[str, ...] = ()
) -> Recipe:
    """A clip made by one ffmpeg command; two seconds of the card at 25/s unless `sources` say otherwise."""

    def make(workshop: Workshop, folder: Path) -> Path:
        return workshop.encode(folder / name, *(sources or (card(),)), options=options, before=before)

    return Recipe(name, "good", make, _with_defaults(facts))


def _derived(name: str, make: Callable[[Workshop, Path], Path], facts: Facts) -> Recipe:
    return Recipe(name, "good", make, _with_defaults(facts))


def _with_defaults(facts: Facts) -> Facts:
    return Facts(expect="good") | facts


# Fields. The source runs at the field rate and two of its pictures are woven into each frame.
_TFF = ("-vf", "tinterlace=interleave_top,setfield=tff", "-flags:v", "+bitexact+ilme+ildct")
_BFF = ("-vf", "tinterlace=interleave_bottom,setfield=bff", "-flags:v", "+bitexact+ilme+ildct")

FIELDS = (
    _simple("interlaced_tff.mxf", (*_TFF, *_MPEG2),
            Facts(format="mxf", codec="mpeg2video", frames=50, fps="25/1", field_order="tt"),
            card("320x192", "50")),
    _simple("interlaced_bff.mov", (*_BFF, *_PRORES),
            # QuickTime's word for interleaved fields of which the bottom one is shown first.
            Facts(format="mov", codec="prores", frames=50, fps="25/1", field_order="bt"),
            card("320x192", "50")),
    _simple("interlaced_tff.mp4", (*_TFF, *X264, "-x264opts", "tff=1"),
            Facts(format="mov", codec="h264", frames=50, fps="25/1", field_order="tt"),
            card("320x192", "50")),
)  # fmt: skip

# Rates. Frames 3, 4 and 5 of every ten are dropped: 35 of 50 stay, at uneven distances.
_UNEVEN = ("-vf", r"select=not(between(mod(n\,10)\,3\,5))", "-fps_mode", "passthrough")

RATES = (
    _simple("vfr.mp4", (*_UNEVEN, *X264), Facts(format="mov", codec="h264", frames=35, rate_mode="vfr")),
    _simple("vfr.mkv", (*_UNEVEN, *X264, *AAC),
            Facts(format="matroska", codec="h264", frames=35, rate_mode="vfr", audio_codecs=["aac"]),
            card(), tone()),
    _simple("open_gop_b.ts",
            (*X264, "-bf", "3", "-x264opts",
             "open-gop=1:b-pyramid=normal:keyint=12:min-keyint=12:scenecut=0"),
            Facts(format="mpegts", codec="h264", frames=50, fps="25/1", rate_mode="cfr")),
    _simple("open_gop_b.mp4", (*X265[:-1], X265[-1] + ":open-gop=1:bframes=4"),
            Facts(format="mov", codec="hevc", frames=50, fps="25/1", rate_mode="cfr")),
)  # fmt: skip


def _rotated(degrees_clockwise: int) -> Recipe:
    name = f"rotated_{degrees_clockwise}.mov"

    def make(workshop: Workshop, folder: Path) -> Path:
        # FFmpeg counts counter-clockwise; phones and people count clockwise.
        turn = ("-display_rotation", str((-degrees_clockwise) % 360))
        return workshop.encode(folder / name, workshop.get("h264.mp4"), before=turn, options=("-c", "copy"))

    facts = Facts(format="mov", codec="h264", frames=50, rotation=degrees_clockwise, width=320, height=180)
    return _derived(name, make, facts)


# Colour. libx265 takes the mastering display in units of 0.00002 and 0.0001 cd/m².
_HDR_SIGNAL = ("-color_primaries", "bt2020", "-colorspace", "bt2020nc", "-color_range", "tv")
_HDR10_SEI = (
    "hdr10=1:repeat-headers=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:"
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):"
    "max-cll=1000,400"
)
_HEVC10 = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1")
_QUIET = "log-level=error:pools=1:frame-threads=1"
_HDR10_FACTS = Facts(
    frames=50, primaries="bt2020", transfer="smpte2084", matrix="bt2020nc", range="tv", hdr="hdr10",
    max_cll=1000, max_fall=400, max_luminance=1000, bit_depth=10, pix_fmt="yuv420p10le",
)  # fmt: skip


def _hdr10_again(name: str, video: tuple[str, ...]) -> Recipe:
    """HDR10 whose container carries the metadata too: an encoder passes on what it was handed with frames."""

    def make(workshop: Workshop, folder: Path) -> Path:
        return workshop.encode(folder / name, workshop.get("hdr10_sei.mp4"), options=video)

    form = "mov" if name.endswith(".mp4") else "matroska"
    codec = "av1" if name.startswith("hdr10_av1") else "hevc"
    return _derived(name, make, _HDR10_FACTS | Facts(format=form, codec=codec))


COLOUR = (
    _simple("hdr10_sei.mp4",
            (*_HEVC10, *_HDR_SIGNAL, "-color_trc", "smpte2084", "-x265-params", f"{_QUIET}:{_HDR10_SEI}"),
            _HDR10_FACTS | Facts(format="mov", codec="hevc")),
    _hdr10_again("hdr10.mp4", (*_HEVC10, "-x265-params", _QUIET)),
    _hdr10_again("hdr10.mkv", (*_HEVC10[:-2], "-x265-params", _QUIET)),
    _hdr10_again("hdr10_av1.mkv", ("-c:v", "libsvtav1", "-preset", "11", "-pix_fmt", "yuv420p10le",
                                   "-svtav1-params", "lp=1")),
    _simple("hlg.mp4",
            (*_HEVC10, *_HDR_SIGNAL, "-color_trc", "arib-std-b67", "-x265-params",
             f"{_QUIET}:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"),
            Facts(format="mov", codec="hevc", frames=50, primaries="bt2020", transfer="arib-std-b67",
                  matrix="bt2020nc", range="tv", hdr="hlg", bit_depth=10)),
    _simple("h264_10bit.mp4", ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv422p10le"),
            Facts(format="mov", codec="h264", frames=50, bit_depth=10, pix_fmt="yuv422p10le")),
    # What is decoded says nothing of colour here: the tags have to be put on the frames.
    _simple("bt709.mov", (*_PRORES, *_BT709, "-vf",
                          "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"),
            Facts(format="mov", codec="prores", frames=50, primaries="bt709", transfer="bt709",
                  matrix="bt709")),
    _simple("full_range.mp4", (*X264, "-vf", "scale=out_range=full,setparams=range=full",
                               "-color_range", "pc"),
            Facts(format="mov", codec="h264", frames=50, range="pc")),
)  # fmt: skip

# Timecode: in a tmcd track, in MXF's material package, in DV's subcode, in tags.
_NTSC = card("320x180", "30000/1001", 3)
_SIXTY = ("-frames:v", "60")

TIMECODE = (
    _simple("timecode.mov",
            (*_PRORES, *PCM, "-timecode", "01:00:00:00", "-metadata:s:v", "reel_name=A001C002"),
            Facts(format="mov", codec="prores", frames=50, timecode="01:00:00:00", drop_frame=False,
                  reel="A001C002", audio_codecs=["pcm_s16le"], audio_channels=[2]),
            card(), tone()),
    _simple("timecode_drop.mov", (*_PRORES, *_SIXTY, "-timecode", "00:59:59;20"),
            Facts(format="mov", codec="prores", frames=60, fps="30000/1001", timecode="00:59:59;20",
                  drop_frame=True), _NTSC),
    _simple("timecode.mp4", (*X264, "-timecode", "23:59:58:00"),
            Facts(format="mov", codec="h264", frames=50, timecode="23:59:58:00", drop_frame=False)),
    _simple("timecode.mxf", (*_MPEG2, "-timecode", "10:00:00:00"),
            Facts(format="mxf", codec="mpeg2video", frames=50, timecode="10:00:00:00", drop_frame=False)),
    _simple("timecode_drop.mxf", (*_MPEG2, *_SIXTY, "-timecode", "01:00:00;02"),
            Facts(format="mxf", codec="mpeg2video", frames=60, fps="30000/1001", timecode="01:00:00;02",
                  drop_frame=True), _NTSC),
    _simple("timecode.dv", ("-c:v", "dvvideo", "-pix_fmt", "yuv420p", "-timecode", "10:11:12:13"),
            Facts(format="dv", codec="dvvideo", frames=50, timecode="10:11:12:13", drop_frame=False),
            card("720x576")),
    _simple("timecode.mkv", (*X264, "-metadata", "timecode=02:03:04:05"),
            Facts(format="matroska", codec="h264", frames=50, timecode="02:03:04:05", drop_frame=False)),
)  # fmt: skip


# Tracks.
def _multi_mono(name: str, video: tuple[str, ...], form: str, codec: str, tracks: int) -> Recipe:
    sources = [card(), *(tone(2, 220 + 55 * n) for n in range(tracks))]
    maps = [part for n in range(tracks + 1) for part in ("-map", str(n))]
    options = (*maps, *video, "-c:a", "pcm_s24le", "-ac", "1")
    facts = Facts(
        format=form, codec=codec, frames=50,
        audio_codecs=["pcm_s24le"] * tracks, audio_channels=[1] * tracks, sample_rate=48000,
    )  # fmt: skip
    return _simple(name, options, facts, *sources)


def _subtitled(name: str, codec: str, form: str) -> Recipe:
    def make(workshop: Workshop, folder: Path) -> Path:
        srt = folder / "lines.srt"
        srt.write_text("1\n00:00:00,200 --> 00:00:00,900\nRoll camera.\n\n"
                       "2\n00:00:01,000 --> 00:00:01,800\nAction!\n", encoding="utf-8")  # fmt: skip
        options = ("-map", "0", "-map", "1", "-c", "copy", "-c:s", codec, "-metadata:s:s:0", "language=eng")
        return workshop.encode(folder / name, workshop.get("h264.mp4"), srt, options=options)

    return _derived(name, make, Facts(format=form, codec="h264", frames=50, subtitles=[codec]))


def _with_chapters(workshop: Workshop, folder: Path) -> Path:
    meta = folder / "chapters.txt"
    rows = ("[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=900\ntitle=Slate\n"
            "[CHAPTER]\nTIMEBASE=1/1000\nSTART=900\nEND=2000\ntitle=Take\n")  # fmt: skip
    meta.write_text(f";FFMETADATA1\n{rows}", encoding="utf-8")
    options = ("-map", "0", "-map_metadata", "1", "-map_chapters", "1", "-c", "copy")
    return workshop.encode(folder / "chapters.mkv", workshop.get("h264.mp4"), meta, options=options)


def _with_cover(name: str) -> Callable[[Workshop, Path], Path]:
    def make(workshop: Workshop, folder: Path) -> Path:
        cover = workshop.encode(folder / "cover.png", card("64x64"), options=("-frames:v", "1"))
        if name.endswith(".mp3"):
            options: tuple[str, ...] = ("-map", "0", "-map", "1", "-c:a", "libmp3lame", "-c:v", "copy",
                                        "-id3v2_version", "3")  # fmt: skip
            return workshop.encode(folder / name, tone(), cover, options=options)
        options = ("-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic")
        return workshop.encode(folder / name, workshop.get("h264.mp4"), cover, options=options)

    return make


TRACKS = (
    _multi_mono("multi_mono_8.mov", _PRORES, "mov", "prores", 8),
    _multi_mono("multi_mono_16.mxf", _MPEG2, "mxf", "mpeg2video", 16),
    _simple("surround.mov", (*X264, "-c:a", "pcm_s16le", "-ac", "6"),
            Facts(format="mov", codec="h264", frames=50, audio_codecs=["pcm_s16le"], audio_channels=[6]),
            card(), tone()),
    _simple("languages.mkv",
            ("-map", "0", "-map", "1", "-map", "2", *X264, "-c:a", "aac", "-ac", "2",
             "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra"),
            Facts(format="matroska", codec="h264", frames=50, audio_codecs=["aac", "aac"],
                  audio_channels=[2, 2], languages=["eng", "fra"]),
            card(), tone(), tone(2, 660)),
    _subtitled("subtitles.mp4", "mov_text", "mov"),
    _subtitled("subtitles.mkv", "subrip", "matroska"),
    _derived("chapters.mkv", _with_chapters, Facts(format="matroska", codec="h264", frames=50, chapters=2)),
    _derived("cover.mp4", _with_cover("cover.mp4"),
             Facts(format="mov", codec="h264", frames=50, cover_art=True)),
    _derived("cover.mp3", _with_cover("cover.mp3"),
             Facts(format="mp3", audio_codecs=["mp3"], audio_channels=[1], cover_art=True, duration_s=2.0)),
    _simple("tagged.mov", (*X264, "-movflags", "use_metadata_tags", "-metadata", "title=Rushes day 3",
                           "-metadata", "com.apple.quicktime.make=Acme",
                           "-metadata", "com.apple.quicktime.model=Camera 1"),
            Facts(format="mov", codec="h264", frames=50, tags={"title": "Rushes day 3"})),
)  # fmt: skip


# Edits.
def _trimmed(workshop: Workshop, folder: Path) -> Path:
    # Copying from between two key frames keeps the frames before the cut and hides them with an edit list:
    # key frames lie at 0 and 0.48 s, so the file has 38 frames from 0.48 s and shows 35 from 0.6 s.
    options = ("-c", "copy", "-avoid_negative_ts", "disabled", "-an")
    return workshop.encode(
        folder / "edit_list.mp4", workshop.get("h264.mp4"), before=("-ss", "0.6"), options=options
    )


def _delayed(workshop: Workshop, folder: Path) -> Path:
    source = workshop.get("h264.mp4")
    # The picture starts half a second after the sound: an empty edit in front.
    return workshop.encode(
        folder / "delayed_video.mp4", source,
        before=("-i", f"file:{source}", "-itsoffset", "0.5"),
        options=("-map", "0:a", "-map", "1:v", "-c", "copy"),
    )  # fmt: skip


EDITS = (
    _derived("edit_list.mp4", _trimmed, Facts(format="mov", codec="h264", frames=35)),
    _derived("delayed_video.mp4", _delayed, Facts(format="mov", codec="h264", frames=50)),
    _simple("short_audio.mov", (*X264, *PCM),
            Facts(format="mov", codec="h264", frames=50, audio_codecs=["pcm_s16le"]), card(), tone(1)),
    _simple("late_start.ts", (*X264, "-output_ts_offset", "3600"),
            Facts(format="mpegts", codec="h264", frames=50)),
)  # fmt: skip

SHAPES = (
    _simple("odd_size.mkv", ("-vf", "scale=161:121", "-c:v", "ffv1", "-pix_fmt", "yuv444p"),
            Facts(format="matroska", codec="ffv1", frames=50, width=161, height=121)),
    _simple("odd_size.mp4",
            ("-vf", "scale=161:121", "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv444p"),
            Facts(format="mov", codec="h264", frames=50, width=161, height=121)),
    _simple("anamorphic.mov", (*_PRORES, "-vf", "setsar=64/45"),
            Facts(format="mov", codec="prores", frames=50, width=180, height=144, sar="64:45"),
            card("180x144")),
    _simple("anamorphic.mp4", (*X264, "-vf", "setsar=4/3"),
            Facts(format="mov", codec="h264", frames=50, width=180, height=144, sar="4:3"),
            card("180x144")),
    _simple("one_frame.mov", (*_PRORES, "-frames:v", "1"),
            Facts(format="mov", codec="prores", frames=1)),
    _simple("tiny.mp4", (*X264, "-frames:v", "5"),
            Facts(format="mov", codec="h264", frames=5, width=16, height=16), card("16x16")),
)  # fmt: skip

SOUND = tuple(
    _simple(name, ("-c:a", codec, "-ac", "2"),
            Facts(format=form, audio_codecs=[found], audio_channels=[2], sample_rate=48000,
                  duration_s=2.0), tone())
    for name, codec, found, form in (
        ("sound.wav", "pcm_s24le", "pcm_s24le", "wav"),
        ("sound.flac", "flac", "flac", "flac"),
        ("sound.mp3", "libmp3lame", "mp3", "mp3"),
        ("sound.m4a", "aac", "aac", "mov"),
        ("sound.aiff", "pcm_s16be", "pcm_s16be", "aiff"),
    )
)  # fmt: skip

RECIPES = (
    *FIELDS, *RATES, *(_rotated(turn) for turn in (90, 180, 270)), *COLOUR, *TIMECODE, *TRACKS, *EDITS,
    *SHAPES, *SOUND,
)  # fmt: skip
