"""What a function asks of encoders, and what its receipt says of those that were tried."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from standin.fakes import FakeDevice, MakeStandIn, StandIn, standin
from waiting import until

from rushes import CallerError, PlatformError, catalog
from rushes.core.devices import Device
from rushes.core.turns import Option
from rushes.engines.local import LocalEngine
from rushes.media.devices.ledger import open_ledger
from rushes.media.running.builds import VARIABLE
from rushes.runtime.outputs.receipt import Receipt

__all__ = ["standin"]

FUNCTIONS = Path(__file__).with_name("on_device.py")
Media = Callable[[str], Path]


@pytest.fixture
def functions(rushes_home: Path) -> Callable[[str], Any]:
    return lambda name: catalog.find(f"{FUNCTIONS}:{name}")


def test_a_receipt_says_which_encoder_stepped_in_for_which_and_why(
    functions: Callable[[str], Any],
    media: Media,
    tmp_path: Path,
    standin: MakeStandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = standin([FakeDevice(open_error="sessions")])
    monkeypatch.setenv(VARIABLE, fake.setting)

    made = functions("wishes")(str(media("h264.mp4")), out=str(tmp_path / "out"))

    receipt = json.loads((tmp_path / "out" / "made.mp4.rushes.json").read_text())
    assert made.encoder == receipt["encoder"] == "libx264"
    missed, last = receipt["tried"]
    assert (missed["family"], missed["device"], missed["encoder"]) == ("nvenc", "nvenc:0", "h264_nvenc")
    assert (missed["outcome"], missed["code"]) == ("failed", "encoder-busy")
    assert missed["reason"] == "The GPU has no free encoder session or memory."
    assert (last["family"], last["device"], last["outcome"]) == ("software", "cpu", "made")
    assert any("NVIDIA NVENC did not make it" in warning for warning in receipt["warnings"])


def test_a_receipt_says_what_the_encoder_that_stepped_in_was_held_to_and_what_it_reached(
    functions: Callable[[str], Any],
    media: Media,
    tmp_path: Path,
    standin: MakeStandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = standin([FakeDevice(open_error="sessions")])
    monkeypatch.setenv(VARIABLE, fake.setting)

    functions("promises")(str(media("h264.mp4")), out=str(tmp_path / "out"))

    receipt = Receipt.read(tmp_path / "out" / "made.mp4.rushes.json")
    assert receipt.encoder == "libx264"
    assert receipt.quality is not None
    assert receipt.quality["promised"]["basis"] in {"curve", "estimate"}
    assert receipt.quality["promised"]["least_vmaf"] == 20
    assert receipt.quality["promised"]["vmaf"] > 90
    assert receipt.quality["measured"]["vmaf"] > 20
    assert receipt.quality["within"] in {True, False}


def test_a_function_that_insists_on_a_device_says_what_is_missing(
    functions: Callable[[str], Any], media: Media, tmp_path: Path
) -> None:
    with pytest.raises(PlatformError, match="h264_nvenc: this host was not probed") as failed:
        functions("insists")(str(media("h264.mp4")), out=str(tmp_path / "out"))

    assert failed.value.code == "no-encoder"
    assert not (tmp_path / "out" / "made.mp4").exists()


def test_a_family_that_is_none_is_refused_with_those_that_are(
    functions: Callable[[str], Any], media: Media, tmp_path: Path
) -> None:
    with pytest.raises(CallerError, match="'nvidia' is no encoder family") as refused:
        functions("misspells")(str(media("h264.mp4")), out=str(tmp_path / "out"))

    assert "nvenc" in refused.value.fix


def test_a_receipt_that_names_its_encoders_alone_is_still_read() -> None:
    data = {
        "function": "proxy", "version": "1", "ref": "proxy", "source": {"uri": "/clips/A001.mov"},
        "tried": ["libx264"],
    }  # fmt: skip

    receipt = Receipt.model_validate(data)

    assert [(one.encoder, one.family, one.outcome) for one in receipt.tried] == [
        ("libx264", "software", "made")
    ]


# -- devices that many share ---------------------------------------------------------------------------------


@pytest.fixture
def pool(rushes_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEngine]:
    """A pool of three slots at once, whatever this machine has."""
    monkeypatch.setenv("RUSHES_CPU", "3")
    made = LocalEngine()
    yield made
    made.control("stop")
    made.close()


@pytest.fixture
def cards(standin: MakeStandIn, monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeDevice], StandIn]:
    """`cards(FakeDevice(…))`: the stand-in is the build of its family."""

    def set_up(fake: FakeDevice) -> StandIn:
        made = standin([fake])
        monkeypatch.setenv(VARIABLE, made.setting)
        return made

    return set_up


def _receipts(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.rglob("*.rushes.json"))]


def test_three_times_as_many_attempts_as_sessions_all_finish_on_the_device(
    pool: LocalEngine,
    functions: Callable[[str], Any],
    media: Media,
    tmp_path: Path,
    cards: Callable[[FakeDevice], StandIn],
) -> None:
    cards(FakeDevice(sessions=1, slow=2.0))
    clips = [_copy(media("h264.mp4"), tmp_path / f"{number}.mp4") for number in range(3)]

    made = functions("insists").with_options(out=str(tmp_path / "out"), name="{stem}{ext}").map(clips)

    assert {outcome.result.encoder for outcome in made} == {"h264_nvenc"}
    receipts = _receipts(tmp_path / "out")
    assert len(receipts) == 3
    assert any(one["tried"][-1]["waited_s"] > 0 for one in receipts)
    assert {one["attempt"] for one in receipts} == {1}, "waiting is no failed attempt"


@pytest.mark.parametrize("cores", ["3", "1"])
def test_urgent_work_gets_the_one_session_of_the_one_card_and_what_had_it_is_made_later(  # noqa: PLR0917 - fixtures
    functions: Callable[[str], Any],
    media: Media,
    tmp_path: Path,
    cards: Callable[[FakeDevice], StandIn],
    pool: LocalEngine,
    monkeypatch: pytest.MonkeyPatch,
    cores: str,
) -> None:
    # given a background encode that has the session, with cores beside it or paused for want of them
    monkeypatch.setenv("RUSHES_CPU", cores)
    fake = cards(FakeDevice(sessions=1, slow=0.05))
    clips = [_copy(media("h264.mp4"), tmp_path / f"{number}.mp4") for number in range(2)]
    insists = functions("insists").with_options(out=str(tmp_path / "out"), name="{stem}{ext}")
    low = insists.with_options(priority="background").map([clips[0]])
    until(lambda: fake.calls() and any(slot["seconds"] > 1.2 for slot in pool.pool()["slots"]))
    fake.change("nvenc", slow=None)

    urgent = insists.with_options(priority="urgent").map([clips[1]])
    (made,) = urgent
    (later,) = low

    assert made.result.encoder == later.result.encoder == "h264_nvenc"
    assert later.finished.attempts == 1, "it uses up no try"
    (receipt,) = [one for one in _receipts(tmp_path / "out") if one["source"]["uri"].endswith("1.mp4")]
    tried = receipt["tried"][-1]
    assert 0 < tried["waited_s"] < 10
    assert f"by {low.id}.1" in str(tried)
    (share,) = pool.status(urgent.id).displacement
    assert (share["batch"], share["stopped"]) == (low.id, 1)
    assert share["redone_s"] > 1
    whose = [next(name for name in ("0.mp4", "1.mp4") if name in str(call["argv"])) for call in fake.calls()]
    assert whose == ["0.mp4", "1.mp4", "0.mp4"]


def test_what_waits_at_a_card_goes_first_once_a_person_makes_it_urgent(
    pool: LocalEngine,
    functions: Callable[[str], Any],
    media: Media,
    tmp_path: Path,
    cards: Callable[[FakeDevice], StandIn],
) -> None:
    # given a card whose one session somebody else has, and two encodes in line before it
    fake = cards(FakeDevice(sessions=1))
    ledger = open_ledger(os.environ)
    assert ledger is not None
    card = Device("nvenc:0")
    holder = ledger.line_up()
    holder.look([Option(card)], waited_s=0.0)
    ledger.refused(card)
    insists = functions("insists").with_options(out=str(tmp_path / "out"), name="{stem}{ext}")
    batches = []
    for number in range(2):
        clip = _copy(media("h264.mp4"), tmp_path / f"{number}.mp4")
        batches.append(insists.with_options(priority="standard").map([clip]))
        until(lambda: len(ledger.book().members) == 2 + number)  # noqa: B023 - called at once

    pool.set_priority(batches[1].id, "urgent")
    until(lambda: {one.what: one.rank for one in ledger.book().members}[f"{batches[1].id}.1"] == 1)
    holder.leave()

    assert {outcome.result.encoder for batch in batches for outcome in batch} == {"h264_nvenc"}
    whose = [next(name for name in ("0.mp4", "1.mp4") if name in str(call["argv"])) for call in fake.calls()]
    assert whose == ["1.mp4", "0.mp4"]


def test_what_insists_on_a_sick_card_is_held_without_using_up_retries(
    pool: LocalEngine,
    functions: Callable[[str], Any],
    media: Media,
    tmp_path: Path,
    cards: Callable[[FakeDevice], StandIn],
) -> None:
    fake = cards(FakeDevice())
    ledger = open_ledger(os.environ)
    assert ledger is not None
    ledger.failed("nvenc:0", "The GPU was lost.", gone=True)

    batch = functions("insists").with_options(out=str(tmp_path / "out")).map([str(media("h264.mp4"))])

    until(lambda: batch.progress.counts.held)
    told = pool.explain(f"{batch.id}.1")
    assert "waits for a device (no-free-device); this costs no attempt" in json.dumps(told)
    assert fake.calls() == []
    batch.cancel()


def _copy(source: Path, target: Path) -> str:
    """The same bytes under another name are another clip."""
    shutil.copy(source, target)
    return str(target)
