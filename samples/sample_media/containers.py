"""Codecs in the containers that cameras, editors and the web put them in.

The picture is a moving test card with a tone: detailed enough that a cut or a flipped byte hits real data.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sample_media.recipe import Facts, Recipe, Workshop

__all__ = ["RECIPES", "card", "tone"]

SECONDS = 2
STEREO = ("-ac", "2")
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-pix_fmt", "yuv420p", "-g", "12")
X265 = (
    "-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-tag:v", "hvc1",
    "-x265-params", "log-level=error:pools=1:frame-threads=1:keyint=12",
)  # fmt: skip
AAC = ("-c:a", "aac", "-b:a", "96k", *STEREO)
PCM = ("-c:a", "pcm_s16le", *STEREO)


def card(size: str = "320x180", rate: str = "25", seconds: float = SECONDS) -> str:
    """The lavfi source of a moving test card."""
    return f"lavfi:testsrc2=size={size}:rate={rate}:duration={seconds}"


def tone(seconds: float = SECONDS, frequency: int = 440) -> str:
    """The lavfi source of a 48 kHz tone."""
    return f"lavfi:sine=frequency={frequency}:sample_rate=48000:duration={seconds}"


@dataclass(frozen=True)
class _Clip:
    """A row of the table below: the name, the encoder's options, and what follows from them."""

    name: str
    format: str
    codec: str
    video: tuple[str, ...]
    audio: tuple[str, ...] = ()
    size: str = "320x180"
    rate: str = "25/1"
    pix_fmt: str = "yuv420p"
    bit_depth: int = 8
    audio_codec: str = ""
    extra: tuple[str, ...] = ()

    def recipe(self) -> Recipe:
        width, height = map(int, self.size.split("x"))
        top, bottom = map(int, self.rate.split("/"))
        frames = SECONDS * top // bottom
        facts = Facts(
            expect="good",
            format=self.format,
            codec=self.codec,
            width=width,
            height=height,
            fps=self.rate,
            frames=frames,
            duration_s=frames * bottom / top,
            rate_mode="cfr",
            pix_fmt=self.pix_fmt,
            bit_depth=self.bit_depth,
            audio_codecs=[self.audio_codec] if self.audio_codec else [],
            audio_channels=[2] if self.audio_codec else [],
        )
        if self.audio_codec:
            facts["sample_rate"] = 48000
        return Recipe(self.name, "good", self._make, facts)

    def _make(self, workshop: Workshop, folder: Path) -> Path:
        top, bottom = map(int, self.rate.split("/"))
        frames = SECONDS * top // bottom
        sources = [card(self.size, self.rate, SECONDS + 1)]
        options = [*self.video, "-frames:v", str(frames), *self.extra]
        if self.audio_codec:
            sources.append(tone(frames * bottom / top))
            options += [*self.audio]
        return workshop.encode(folder / self.name, *sources, options=options)


_DNXHR = ("-c:v", "dnxhd", "-profile:v", "dnxhr_lb", "-pix_fmt", "yuv422p")
_PRORES = ("-c:v", "prores_ks", "-profile:v", "proxy", "-pix_fmt", "yuv422p10le")
_MPEG2 = ("-c:v", "mpeg2video", "-b:v", "2M", "-g", "12", "-bf", "2", "-pix_fmt", "yuv422p")
_SVT = ("-c:v", "libsvtav1", "-preset", "11", "-crf", "40", "-pix_fmt", "yuv420p", "-svtav1-params", "lp=1")
_OPUS = ("-c:a", "libopus", "-b:a", "64k", *STEREO)
_VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-crf", "40", "-b:v", "0",
        "-row-mt", "0")  # fmt: skip
_PLANAR10 = "yuv422p10le"

_CLIPS = (
    # Deliverables of the web, and what phones write. The index at the end and at the front are two kinds.
    _Clip("h264.mp4", "mov", "h264", X264, AAC, audio_codec="aac"),
    _Clip("h264_faststart.mp4", "mov", "h264", X264, AAC, audio_codec="aac",
          extra=("-movflags", "+faststart")),
    _Clip("h264_fragmented.mp4", "mov", "h264", X264, AAC, audio_codec="aac",
          extra=("-movflags", "+frag_keyframe+empty_moov+default_base_moof")),
    _Clip("h264.mov", "mov", "h264", X264, PCM, audio_codec="pcm_s16le"),
    _Clip("h264.mkv", "matroska", "h264", X264, AAC, audio_codec="aac"),
    _Clip("h264.ts", "mpegts", "h264", X264, AAC, audio_codec="aac"),
    _Clip("h264.mxf", "mxf", "h264", (*X264, "-bf", "0"), PCM, audio_codec="pcm_s16le"),
    _Clip("h264.flv", "flv", "h264", X264, AAC, audio_codec="aac"),
    _Clip("h264_24p.mp4", "mov", "h264", X264, AAC, rate="24000/1001", audio_codec="aac"),
    _Clip("h264_60p.mp4", "mov", "h264", X264, AAC, rate="60000/1001", audio_codec="aac"),
    _Clip("hevc.mp4", "mov", "hevc", X265, AAC, audio_codec="aac"),
    _Clip("hevc.mkv", "matroska", "hevc", X265, ("-c:a", "ac3", *STEREO), audio_codec="ac3"),
    _Clip("hevc.ts", "mpegts", "hevc", X265[:-4] + X265[-2:], AAC, audio_codec="aac"),
    _Clip("vp9.webm", "matroska", "vp9", _VP9, _OPUS, audio_codec="opus"),
    _Clip("av1.mp4", "mov", "av1", _SVT, AAC, audio_codec="aac"),
    _Clip("av1.mkv", "matroska", "av1", _SVT, _OPUS, audio_codec="opus"),
    # Editing and mastering.
    _Clip("prores.mov", "mov", "prores", _PRORES, ("-c:a", "pcm_s24le", *STEREO),
          pix_fmt=_PLANAR10, bit_depth=10, audio_codec="pcm_s24le"),
    _Clip("prores_faststart.mov", "mov", "prores", _PRORES, PCM, pix_fmt=_PLANAR10, bit_depth=10,
          audio_codec="pcm_s16le", extra=("-movflags", "+faststart")),
    _Clip("prores4444.mov", "mov", "prores",
          ("-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"),
          pix_fmt="yuva444p12le", bit_depth=12),
    _Clip("prores.mkv", "matroska", "prores", _PRORES, PCM, pix_fmt=_PLANAR10, bit_depth=10,
          audio_codec="pcm_s16le"),
    _Clip("dnxhr.mov", "mov", "dnxhd", _DNXHR, PCM, pix_fmt="yuv422p", audio_codec="pcm_s16le"),
    _Clip("dnxhr.mxf", "mxf", "dnxhd", _DNXHR, PCM, pix_fmt="yuv422p", audio_codec="pcm_s16le"),
    _Clip("mpeg2.mxf", "mxf", "mpeg2video", _MPEG2, PCM, pix_fmt="yuv422p", audio_codec="pcm_s16le"),
    _Clip("jpeg2000.mxf", "mxf", "jpeg2000", ("-c:v", "libopenjpeg", "-pix_fmt", _PLANAR10), PCM,
          pix_fmt=_PLANAR10, bit_depth=10, audio_codec="pcm_s16le"),
    _Clip("cineform.mov", "mov", "cfhd", ("-c:v", "cfhd", "-pix_fmt", _PLANAR10), pix_fmt=_PLANAR10,
          bit_depth=10),
    _Clip("v210.mov", "mov", "v210", ("-c:v", "v210", "-pix_fmt", _PLANAR10), size="160x96",
          pix_fmt=_PLANAR10, bit_depth=10),
    _Clip("mjpeg.mov", "mov", "mjpeg", ("-c:v", "mjpeg", "-q:v", "5", "-pix_fmt", "yuvj420p"), PCM,
          pix_fmt="yuvj420p", audio_codec="pcm_s16le"),
    _Clip("qtrle.mov", "mov", "qtrle", ("-c:v", "qtrle", "-pix_fmt", "rgb24"), size="160x96",
          pix_fmt="rgb24"),
    _Clip("ffv1.mkv", "matroska", "ffv1", ("-c:v", "ffv1", "-level", "3", "-pix_fmt", "yuv422p10le"),
          ("-c:a", "flac", *STEREO), pix_fmt=_PLANAR10, bit_depth=10, audio_codec="flac"),
    # Tape, broadcast and the archive.
    _Clip("dv_pal.dv", "dv", "dvvideo", ("-c:v", "dvvideo", "-pix_fmt", "yuv420p"), STEREO,
          size="720x576", audio_codec="pcm_s16le"),
    _Clip("dv_ntsc.mov", "mov", "dvvideo", ("-c:v", "dvvideo", "-pix_fmt", "yuv411p"), PCM,
          size="720x480", rate="30000/1001", pix_fmt="yuv411p", audio_codec="pcm_s16le"),
    _Clip("mpeg2.ts", "mpegts", "mpeg2video", (*_MPEG2[:-1], "yuv420p"), ("-c:a", "mp2", *STEREO),
          audio_codec="mp2"),
    _Clip("mpeg2.mpg", "mpeg", "mpeg2video", (*_MPEG2[:-1], "yuv420p"), ("-c:a", "mp2", *STEREO),
          audio_codec="mp2"),
    _Clip("mjpeg.avi", "avi", "mjpeg", ("-c:v", "mjpeg", "-q:v", "5", "-pix_fmt", "yuvj422p"), PCM,
          pix_fmt="yuvj422p", audio_codec="pcm_s16le"),
    _Clip("mpeg4.avi", "avi", "mpeg4", ("-c:v", "mpeg4", "-q:v", "5", "-vtag", "XVID"),
          ("-c:a", "libmp3lame", *STEREO), audio_codec="mp3"),
    _Clip("raw.avi", "avi", "rawvideo", ("-c:v", "rawvideo", "-pix_fmt", "uyvy422"), size="160x96",
          pix_fmt="uyvy422"),
    _Clip("wmv.asf", "asf", "wmv2", ("-c:v", "wmv2", "-b:v", "500k"), ("-c:a", "wmav2", *STEREO),
          audio_codec="wmav2"),
    _Clip("theora.ogv", "ogg", "theora", ("-c:v", "libtheora", "-q:v", "5"),
          ("-c:a", "libvorbis", *STEREO), audio_codec="vorbis"),
)  # fmt: skip

RECIPES = tuple(clip.recipe() for clip in _CLIPS)
