"""Files that are named like clips and point elsewhere: at other files, at the network, at no file at all.

Whoever opens one must read nothing besides it and connect to nothing. The network targets lie on the
loopback, at the workshop's port, so that a test can prove that nobody came.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

from sample_media.containers import card
from sample_media.recipe import Expectation, Facts, Recipe, Workshop

__all__ = ["RECIPES"]

_REFUSED = "it refers to something outside itself"


def _text(name: str, words: Callable[[Workshop], str], why: str) -> Recipe:
    """A text file with a clip's name."""

    def make(workshop: Workshop, folder: Path) -> Path:
        target = folder / name
        target.write_text(words(workshop), encoding="utf-8")
        return target

    return Recipe(name, "hostile", make, Facts(expect="unreadable", why=f"{why}: {_REFUSED}"))


def _http(workshop: Workshop) -> str:
    return f"http://127.0.0.1:{workshop.port}"


def _hls(*lines: str) -> str:
    return "\n".join(("#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2", *lines, ""))


def _segment(url: str) -> str:
    return _hls("#EXTINF:2,", url, "#EXT-X-ENDLIST")


def _secret(workshop: Workshop) -> str:
    """Somebody else's clip: it exists and would play."""
    return f"file://{workshop.get('h264.ts')}"


def _key(workshop: Workshop) -> str:
    key = f'#EXT-X-KEY:METHOD=AES-128,URI="{_http(workshop)}/key"'
    return _hls(key, "#EXTINF:2,", _secret(workshop), "#EXT-X-ENDLIST")


def _master(target: str) -> str:
    return f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\n{target}\n"


def _dash(url: str) -> str:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT2S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">'
        '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1000" '
        f'width="320" height="180" codecs="avc1.64000c"><BaseURL>{url}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>\n"
    )


def _sdp(_workshop: Workshop) -> str:
    return (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    )


def _svg(_workshop: Workshop) -> str:
    return (
        '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><text>&x;</text></svg>\n'
    )


def _concat_sibling(workshop: Workshop, folder: Path) -> Path:
    (folder / "good.ts").write_bytes(workshop.get("h264.ts").read_bytes())
    target = folder / "concat_sibling.mp4"
    target.write_text("ffconcat version 1.0\nfile good.ts\n", encoding="utf-8")
    return target


def _numbered_trap(workshop: Workshop, folder: Path) -> Path:
    """A file whose very name is a pattern for its neighbours."""
    for number in (1, 2, 3):
        workshop.encode(folder / f"x00{number}y.png", card("64x64"), options=("-frames:v", "1"))
    target = folder / "x%03dy.png"
    workshop.encode(folder / "tmp.png", card("32x32"), options=("-frames:v", "1"))
    return (folder / "tmp.png").rename(target)


# AVI. FFmpeg opens a playlist inside a GAB2 subtitle chunk as a container of its own (CVE-2017-9993).
def _chunk(tag: bytes, data: bytes) -> bytes:
    return tag + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _list(tag: bytes, *chunks: bytes) -> bytes:
    return _chunk(b"LIST", tag + b"".join(chunks))


def _stream_header(kind: bytes, handler: bytes, frames: int) -> bytes:
    rest = struct.pack("<IHHIIIIIIIIhhhh", 0, 0, 0, 0, 1, 25, 0, frames, 65536, 0, 0, 0, 0, 64, 64)
    return _chunk(b"strh", kind + handler + rest)


def _gab2(workshop: Workshop, folder: Path) -> Path:
    jpeg = workshop.encode(folder / "frame.jpg", card("64x64"), options=("-frames:v", "1")).read_bytes()
    playlist = _segment(f"{_http(workshop)}/gab2.ts").encode()
    name = "x".encode("utf-16-le") + b"\0\0"
    words = (
        b"GAB2\0" + struct.pack("<HI", 2, len(name)) + name + struct.pack("<HI", 4, len(playlist)) + playlist
    )
    bitmap = struct.pack("<IiiHH4sIiiII", 40, 64, 64, 1, 24, b"MJPG", 64 * 64 * 3, 0, 0, 0, 0)
    main = struct.pack("<14I", 40000, 0, 0, 0x10, 5, 0, 2, 65536, 64, 64, 0, 0, 0, 0)
    header = _list(
        b"hdrl",
        _chunk(b"avih", main),
        _list(b"strl", _stream_header(b"vids", b"MJPG", 5), _chunk(b"strf", bitmap)),
        _list(b"strl", _stream_header(b"txts", b"\0\0\0\0", 1), _chunk(b"strf", b"")),
    )
    movie = _list(b"movi", _chunk(b"01tx", words), *(_chunk(b"00dc", jpeg) for _ in range(5)))
    target = folder / "subtitle_playlist.avi"
    target.write_bytes(_chunk(b"RIFF", b"AVI " + header + movie))
    return target


def _made(
    name: str, make: Callable[[Workshop, Path], Path], expect: Expectation, why: str, *, alone: bool
) -> Recipe:
    return Recipe(name, "hostile", make, Facts(expect=expect, why=why), alone=alone)


# Not files at all.
def _folder(_workshop: Workshop, folder: Path) -> Path:
    target = folder / "folder.mp4"
    target.mkdir()
    return target


def _fifo(_workshop: Workshop, folder: Path) -> Path:
    target = folder / "fifo.mp4"
    os.mkfifo(target)
    return target


def _link(name: str, to: str, expect: Expectation, why: str) -> Recipe:
    def make(_workshop: Workshop, folder: Path) -> Path:
        target = folder / name
        target.symlink_to(to)
        return target

    return _made(name, make, expect, why, alone=True)


RECIPES = (
    _text("hls_http.mp4", lambda w: _segment(f"{_http(w)}/x.ts"), "HLS with a segment on the network"),
    _text("hls_http.m3u8", lambda w: _segment(f"{_http(w)}/x.ts"), "the same under its own name"),
    _text("hls_file.mp4", lambda w: _segment(_secret(w)), "HLS with another's file as a segment"),
    _text("hls_file.m3u8", lambda w: _segment(_secret(w)), "the same under its own name"),
    _text("hls_passwd.mp4", lambda _: _segment("file:///etc/passwd"), "HLS with a system file"),
    _text("hls_concat.mp4", lambda w: _segment(f"concat:{_http(w)}/a|file:///etc/passwd"),
          "HLS that would send a file away"),
    _text("hls_key.mp4", _key, "HLS with its key on the network"),
    _text("hls_self.mp4", lambda _: _master("hls_self.mp4"), "HLS that lists itself (CVE-2026-107695)"),
    _text("hls_self.m3u8", lambda _: _master("hls_self.m3u8"), "the same under its own name"),
    _text("hls_master.mp4", lambda w: _master(f"{_http(w)}/low.m3u8"), "HLS with a network playlist"),
    _text("dash_http.mp4", lambda w: _dash(f"{_http(w)}/x.mp4"), "DASH with its media on the network"),
    _text("dash_file.mp4", lambda w: _dash(f"file://{w.get('h264.mp4')}"), "DASH with another's file"),
    _text("dash_file.mpd", lambda w: _dash(f"file://{w.get('h264.mp4')}"), "the same under its own name"),
    _text("concat_absolute.mp4", lambda w: f"ffconcat version 1.0\nfile '{w.get('h264.ts')}'\n",
          "ffconcat with an absolute path"),
    _text("concat_http.mp4", lambda w: f"ffconcat version 1.0\nfile {_http(w)}/x.ts\n",
          "ffconcat with the network"),
    _made("concat_sibling.mp4", _concat_sibling, "unreadable", f"ffconcat: {_REFUSED}", alone=False),
    _text("session.mp4", _sdp, "SDP, which would open sockets"),
    _text("session.sdp", _sdp, "the same under its own name"),
    _text("entity.svg", _svg, "SVG with an external entity"),
    _made("subtitle_playlist.avi", _gab2, "contained", "a playlist inside a subtitle chunk", alone=True),
    _made("pattern_name.png", _numbered_trap, "contained", "the name is a pattern for others", alone=False),
    _made("folder.mp4", _folder, "caller", "a folder with a clip's name", alone=True),
    _made("fifo.mp4", _fifo, "caller", "a FIFO blocks whoever opens it", alone=True),
    _link("link_passwd.mp4", "/etc/passwd", "unreadable", "a link to a file that is no media"),
    _link("link_zero.mp4", "/dev/zero", "caller", "a link to an endless device"),
    _link("link_dangling.mp4", "not-there.mp4", "caller", "a link to nothing"),
    _link("link_loop.mp4", "link_loop.mp4", "caller", "a link to itself"),
)  # fmt: skip
