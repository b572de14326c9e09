"""One long clip in parts, each an invocation of the pool: every frame once, no finished part made twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import psutil
import pytest
from cuttable import maker
from standin.fakes import FakeDevice, MakeStandIn, StandIn, standin
from waiting import until

from rushes import catalog
from rushes.engines.local import LocalEngine
from rushes.media.devices.capability import Capability, Finding, SeenDevice
from rushes.media.devices.device_nodes import look
from rushes.media.devices.probe_cache import cache_folder, probe_key
from rushes.media.running.builds import bundled_ffmpeg

__all__ = ["standin"]

CHUNKED = Path(__file__).with_name("chunked.py")
_FAST: dict[str, Any] = {"preset": "streaming-h264", "speed": "ultrafast", "deinterlace": "auto"}

Clip = Callable[[str], Path]

HARD = ("variable.mkv", "open-hevc.mp4", "film.ts", "fields.ts", "edits.mp4", "tracks.mkv")
"""Variable rate, open groups of ten bits with B-frames, 23.976, fields, an edit list, a late clock."""


@pytest.fixture(scope="module")
def cuttable(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return maker(tmp_path_factory.mktemp("cuttable"), bundled_ffmpeg())


@pytest.fixture
def devices(standin: MakeStandIn, monkeypatch: pytest.MonkeyPatch) -> Callable[..., StandIn]:
    """`devices(FakeDevice(…))` makes a stand-in the build of its devices' families, for the pool too."""

    def set_up(*fakes: FakeDevice) -> StandIn:
        made = standin(fakes)
        for name, value in made.environ().items():
            if name.startswith("RUSHES_"):
                monkeypatch.setenv(name, value)
        return made

    return set_up


def receipt_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.with_name(f"{path.name}.rushes.json").read_text())
    return found


def pictures(path: Path) -> list[tuple[int, str]]:
    """Each picture as it is decoded: when it is shown, and its hash."""
    command = [str(bundled_ffmpeg()), "-v", "error", "-copyts", "-i", str(path), "-map", "0:v"]
    command += ["-fps_mode", "passthrough", "-f", "framemd5", "-"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    rows = [line.split(",") for line in done.stdout.splitlines() if not line.startswith("#")]
    return [(int(row[2]), row[-1].strip()) for row in rows]


def frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(p.size > 0 and not p.is_discard for p in container.demux(container.streams.video[0]))


def test_parts_on_the_pool_are_the_clip_picture_by_picture(
    engine: LocalEngine, cuttable: Clip, tmp_path: Path
) -> None:
    # ProRes codes each picture by itself, so what is cut must be the same to the last bit, at the joints too.
    transcode = catalog.find("transcode")
    clips = [cuttable(name) for name in HARD]
    options = {"preset": "prores-proxy", "deinterlace": "auto"}
    whole, parts = tmp_path / "whole", tmp_path / "parts"

    one = {Path(o.asset).name: o for o in transcode.with_options(out=whole).map(clips, **options)}
    three = {Path(o.asset).name: o for o in transcode.with_options(out=parts).map(clips, **options, chunks=3)}

    for clip in clips:
        expected, made = one[clip.name].result, three[clip.name].result
        assert made.notes == expected.notes, clip.name
        assert made.frames == expected.frames == frames(clip), clip.name
        assert pictures(Path(made.transcoded)) == pictures(Path(expected.transcoded)), clip.name
        told = receipt_of(Path(made.transcoded))["parts"]
        assert sum(part["frames"] for part in told) == made.frames
        assert len({part["invocation"] for part in told} - {""}) == len(told) > 1, clip.name


def test_the_receipt_names_each_part_and_who_made_it(
    engine: LocalEngine, cuttable: Clip, tmp_path: Path
) -> None:
    transcode = catalog.find("transcode").with_options(out=tmp_path / "out")

    made = transcode.remote(cuttable("plain.mp4"), chunks=3, **_FAST)

    receipt = receipt_of(Path(made.transcoded))
    for part in receipt["parts"]:
        assert (part["encoder"], part["redone"]) == ("libx264", 0)
        assert part["seconds"] > 0
        assert part["cpu_s"] > 0
        assert "libx264" in part["argv"]
    assert receipt["timings"]["cpu_s"] > sum(part["cpu_s"] for part in receipt["parts"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "plain.mp4",
        "plain.mp4.rushes.json",
    ]


def test_a_direct_call_makes_the_same_file(engine: LocalEngine, cuttable: Clip, tmp_path: Path) -> None:
    transcode, clip = catalog.find("transcode"), cuttable("plain.mp4")

    pooled = transcode.with_options(out=tmp_path / "pool").remote(clip, chunks=3, **_FAST)
    here = transcode(clip, out=tmp_path / "here", chunks=3, **_FAST)

    assert Path(pooled.transcoded).read_bytes() == Path(here.transcoded).read_bytes()


def test_chunks_are_of_the_key_and_a_repeat_is_known(
    engine: LocalEngine, cuttable: Clip, tmp_path: Path
) -> None:
    transcode = catalog.find("transcode").with_options(out=tmp_path / "out")
    clip = cuttable("plain.mp4")

    first = next(iter(transcode.map([clip], chunks=2, **_FAST)))
    again = next(iter(transcode.map([clip], chunks=2, **_FAST)))
    other = next(iter(transcode.map([clip], chunks=3, **_FAST)))

    assert (first.finished.cached, again.finished.cached, other.finished.cached) == (False, True, False)


# -- what a device does -------------------------------------------------------------------------------------


def _parts_of(fake: StandIn) -> Counter[str]:
    """How often each part was begun on a device, by the name of its file."""
    return Counter(Path(call["argv"][-1]).name for call in fake.calls())


def test_a_device_that_fails_at_a_part_is_replaced_for_the_whole_output(
    engine: LocalEngine, cuttable: Clip, tmp_path: Path, devices: Callable[..., StandIn]
) -> None:
    devices(FakeDevice("nvenc", fault="gpu-lost", after=5))
    transcode = catalog.find("transcode").with_options(out=tmp_path / "out")

    made = transcode.remote(cuttable("large.mp4"), chunks=3, **_FAST)

    receipt = receipt_of(Path(made.transcoded))
    assert made.encoder == "libx264"
    assert made.frames == 100
    assert {part["encoder"] for part in receipt["parts"]} == {"libx264"}
    assert (receipt["tried"][0]["encoder"], receipt["tried"][0]["code"]) == ("h264_nvenc", "device-sick")


def test_parts_are_shared_out_over_the_cards_of_a_family_and_the_receipt_says_which_made_each(
    engine: LocalEngine, cuttable: Clip, tmp_path: Path, devices: Callable[..., StandIn]
) -> None:
    fake = devices(FakeDevice("nvenc", slow=4), FakeDevice("nvenc", 1, slow=4))
    cards = (SeenDevice("nvenc", 0), SeenDevice("nvenc", 1))
    findings = [Finding("nvenc", card.name, "h264_nvenc", "h264", 8, works=True) for card in cards]
    found = Capability((), {}, cards, tuple(findings), probe_key(os.environ, look()), time.time())
    (cache_folder(os.environ) / "encoders.json").write_text(json.dumps(found.to_json()))
    transcode = catalog.find("transcode").with_options(out=tmp_path / "out")

    made = transcode.remote(cuttable("large.mp4"), chunks=4, **_FAST)

    receipt = receipt_of(Path(made.transcoded))
    assert made.frames == 100
    assert {part["device"] for part in receipt["parts"]} == {"nvenc:0", "nvenc:1"}
    assert all(part["waited_s"] >= 0.0 and not part["note"] for part in receipt["parts"])
    assert receipt["tried"][-1]["device"] == "nvenc:0, nvenc:1"
    assert len(fake.calls()) == 4


def test_a_killed_parent_redoes_no_part(
    engine: LocalEngine, cuttable: Clip, tmp_path: Path, devices: Callable[..., StandIn]
) -> None:
    fake = devices(FakeDevice("nvenc"))
    chunked = catalog.find(f"{CHUNKED}:chunked").with_options(out=tmp_path / "out")

    outcome = next(iter(chunked.map([cuttable("large.mp4")], dies="after")))

    assert outcome.finished.attempts == 2
    assert outcome.result.frames == 100
    assert sorted(_parts_of(fake).values()) == [1, 1, 1]
    assert sum(part["frames"] for part in receipt_of(Path(outcome.result.file))["parts"]) == 100


def test_a_part_that_is_broken_afterwards_is_made_again_alone(
    engine: LocalEngine, cuttable: Clip, tmp_path: Path, devices: Callable[..., StandIn]
) -> None:
    fake = devices(FakeDevice("nvenc"))
    chunked = catalog.find(f"{CHUNKED}:chunked").with_options(out=tmp_path / "out")

    made = chunked.remote(cuttable("large.mp4"), dies="never")

    parts = receipt_of(Path(made.file))["parts"]
    assert made.frames == 100
    assert [part["redone"] for part in parts] == [0, 1, 0]
    assert "frame" in parts[1]["reason"]
    assert len(fake.calls()) == 4


def test_a_parent_killed_while_its_parts_are_made_loses_none_that_is_finished(
    engine: LocalEngine, cuttable: Clip, tmp_path: Path, devices: Callable[..., StandIn],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("RUSHES_CPU", "1")
    fake = devices(FakeDevice("nvenc", slow=2))
    chunked = catalog.find(f"{CHUNKED}:chunked").with_options(out=tmp_path / "out")
    calls = fake.folder / "calls.jsonl"

    outcome = next(iter(chunked.map([cuttable("large.mp4")], dies="amid", calls=str(calls))))

    # One part at a time: when the second was begun, the first had been finished.
    first = fake.calls()[0]["argv"][-1]
    assert outcome.result.frames == 100
    assert _parts_of(fake)[Path(first).name] == 1
    assert outcome.finished.attempts == 2


def test_a_killed_worker_loses_no_finished_part(
    engine: LocalEngine, cuttable: Clip, tmp_path: Path, devices: Callable[..., StandIn],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("RUSHES_CPU", "1")
    fake = devices(FakeDevice("nvenc", slow=2))
    transcode = catalog.find("transcode").with_options(out=tmp_path / "out")

    batch = transcode.map([cuttable("large.mp4")], chunks=3, **_FAST)
    first = until(lambda: len(fake.calls()) > 1 and fake.calls()[0]["argv"][-1])
    os.kill(engine.pool()["worker"]["pid"], signal.SIGKILL)
    (outcome,) = batch

    assert outcome.result.frames == 100
    assert _parts_of(fake)[Path(first).name] == 1


# -- urgent work beside it -----------------------------------------------------------------------------------


def test_a_chunked_encode_gives_its_memory_at_the_end_of_a_part_and_redoes_none(
    engine: LocalEngine, cuttable: Clip, tmp_path: Path, devices: Callable[..., StandIn],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    # given a pool of one core and little memory, in which parts are made one after another
    monkeypatch.setenv("RUSHES_CPU", "1")
    monkeypatch.setenv("RUSHES_MEMORY", "8GiB")
    fake = devices(FakeDevice("nvenc", slow=0.15))
    transcode = catalog.find("transcode").with_options(out=tmp_path / "out", priority="background")
    batch = transcode.map([cuttable("large.mp4")], chunks=3, **_FAST)
    # and one of them past its half, that does not end before the urgent work has come
    part = until(lambda: _stopped_past_its_half(engine))
    begun = _parts_of(fake)
    assert sum(begun.values()) < 3

    hold = catalog.find(f"{CHUNKED.with_name('aside.py')}:hold_memory")
    gate = tmp_path / "urgent.gate"
    urgent = hold.with_options(priority="urgent").map([cuttable("plain.mp4")], gate=str(gate))
    until(lambda: engine.status(urgent.id).displacement)
    part.resume()
    fake.change("nvenc", slow=None)
    until(lambda: gate.with_suffix(".pid").exists())

    # Nothing follows the part before the urgent work has had its place.
    assert _parts_of(fake) == begun
    gate.touch()
    assert next(iter(urgent)).ok
    (outcome,) = batch
    assert outcome.result.frames == 100
    assert set(_parts_of(fake).values()) == {1}
    (share,) = engine.status(urgent.id).displacement
    assert (share["awaited"], share["stopped"], share["redone_s"]) == (1, 0, 0)
    assert share["awaited_s"] > 0


def _stopped_past_its_half(engine: LocalEngine) -> psutil.Process | None:
    """The ffmpeg of a part past its half, which it has stopped; None while there is none."""
    names = [slot["running"] for slot in engine.pool()["slots"] if slot["running"] and not slot["waits"]]
    found = [engine.explain(name) for name in names]
    if not any(one["parent"] and 0.55 <= (one["fraction"] or 0.0) < 0.9 for one in found):
        return None
    try:
        below = psutil.Process(int(engine.hello["pid"])).children(recursive=True)
        (encoder,) = [one for one in below if one.name().startswith("ffmpeg")]
        encoder.suspend()
    except (ValueError, psutil.NoSuchProcess):  # it has ended meanwhile
        return None
    return encoder
