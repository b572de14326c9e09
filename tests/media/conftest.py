"""The ffmpeg builds that media tests run on, and the small clips that they run with."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from standin.fakes import FakeDevice, MakeStandIn, StandIn, standin

from rushes.media.readers.guard import input_args, output_args
from rushes.media.running.builds import VARIABLE, Build, bundled_ffmpeg, find_build, read_build

__all__ = ["standin"]

_DEBIAN = Path("/usr/bin/ffmpeg")
_PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=3")
_SOUND = ("-f", "lavfi", "-i", "sine=d=3")
_H264 = (
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-bf",
    "3",
    "-g",
    "25",
    "-pix_fmt",
    "yuv420p",
    "-c:a",
    "aac",
)
_PAL = ("-f", "lavfi", "-i", "testsrc2=s=720x576:r=25:d=1")
_VFR = ("-vf", "select='not(mod(n,3))+gt(n,40)'", "-fps_mode", "vfr")

# Each as ffmpeg's arguments before the output's name; "@name" opens another clip.
RECIPES: dict[str, tuple[str, ...]] = {
    "index-at-end.mp4": (*_PICTURE, *_SOUND, *_H264),
    # Long enough for eight parts, large enough for every device.
    "long.mp4": ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=8", *_H264),
    "faststart.mp4": (*_PICTURE, *_SOUND, *_H264, "-movflags", "+faststart"),
    "fragmented.mp4": (*_PICTURE, *_SOUND, *_H264, "-movflags", "+frag_keyframe+empty_moov"),
    "prores.mov": (
        *_PICTURE, *_SOUND, "-c:v", "prores_ks", "-c:a", "pcm_s16le", "-movflags", "+faststart",
    ),
    "long-gop.mkv": (*_PICTURE, *_SOUND, *_H264),
    "recorded-live.mkv": (*_PICTURE, *_SOUND, *_H264, "-live", "1"),
    "broadcast.ts": (*_PICTURE, *_SOUND, *_H264),
    "camera.m2ts": (*_PICTURE, *_SOUND, *_H264, "-mpegts_m2ts_mode", "1"),
    "long-gop.mxf": (
        *_PICTURE, *_SOUND, "-c:v", "mpeg2video", "-b:v", "5M", "-bf", "2",
        "-c:a", "pcm_s16le", "-ar", "48000",
    ),
    "intra.mxf": (
        "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25:d=1",
        "-c:v", "dnxhd", "-profile:v", "dnxhr_lb", "-pix_fmt", "yuv422p",
    ),
    "old.avi": (*_PICTURE, *_SOUND, "-c:v", "mpeg4", "-c:a", "pcm_s16le"),
    "web.webm": (*_PICTURE, *_SOUND, "-c:v", "libvpx", "-b:v", "300k", "-c:a", "libopus"),
    "windows.asf": (*_PICTURE, *_SOUND, "-c:v", "wmv2"),
    "variable.mp4": (*_PICTURE, *_VFR, *_H264),
    "variable.mkv": (*_PICTURE, *_VFR, *_H264),
    "open-gop.mp4": (
        *_PICTURE, "-c:v", "libx264", "-preset", "veryfast", "-x264-params", "open-gop=1:keyint=12:bframes=3",
    ),
    "open-gop-hevc.mp4": (
        *_PICTURE, "-c:v", "libx265", "-x265-params", "open-gop=1:keyint=12:log-level=0", "-tag:v", "hvc1",
    ),
    "interlaced.mp4": (*_PICTURE, "-vf", "interlace", *_H264, "-flags", "+ildct+ilme"),
    "interlaced.ts": (
        *_PICTURE, *_SOUND, "-vf", "interlace", "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-bf", "2",
        "-c:a", "mp2",
    ),
    "edit-list.mp4": ("-ss", "0.7", "@index-at-end.mp4", "-c", "copy"),
    "edit-list.mov": ("-ss", "0.7", "@index-at-end.mp4", "-c", "copy"),
    "delayed.mp4": ("-itsoffset", "0.5", *_PICTURE, *_SOUND, *_H264),
    "short-sound.mkv": (*_PICTURE, "-f", "lavfi", "-i", "sine=d=1", *_H264),
    "tape.dv": (*_PAL, "-pix_fmt", "yuv420p"),
    "sound.wav": _SOUND, "sound.flac": _SOUND, "sound.mp3": _SOUND, "sound.aiff": _SOUND, "sound.w64": _SOUND,
    "sound.caf": _SOUND, "sound.m4a": (*_SOUND, "-c:a", "aac"), "sound.ogg": (*_SOUND, "-c:a", "libvorbis"),
}  # fmt: skip


@pytest.fixture(
    params=["bundled", pytest.param("debian", marks=pytest.mark.needs("ffmpeg"))], scope="session"
)
def build(request: pytest.FixtureRequest) -> Build:
    """Each ffmpeg in turn: the bundled one, and the system's older one."""
    return read_build(bundled_ffmpeg() if request.param == "bundled" else _DEBIAN)


@pytest.fixture(scope="session")
def bundled() -> Build:
    return find_build(environ={})


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`clip("long-gop.mkv")` is one of RECIPES, made when it is first asked for; never written to."""
    folder = tmp_path_factory.mktemp("clips")

    def make(name: str) -> Path:
        path = folder / name
        if not path.exists():
            args: list[str] = []
            for word in RECIPES[name]:
                args += input_args(make(word[1:])) if word.startswith("@") else [word]
            command = [str(bundled_ffmpeg()), "-v", "error", "-nostdin", *args, *output_args(path)]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        return path

    return make


@pytest.fixture
def devices(standin: MakeStandIn, monkeypatch: pytest.MonkeyPatch) -> Callable[..., StandIn]:
    """`devices(FakeDevice(…))` makes a stand-in the build of its devices' families."""

    def set_up(*fakes: FakeDevice) -> StandIn:
        made = standin(fakes)
        monkeypatch.setenv(VARIABLE, made.setting)
        return made

    return set_up
