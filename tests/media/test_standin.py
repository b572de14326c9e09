"""The stand-in ffmpeg behaves as devices do: what other tests prove with it stands on this."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from standin.fakes import FakeDevice, MakeStandIn, StandIn
from standin.texts import FAILURES, stderr_of

from rushes.media.running.dialect import classify
from rushes.media.running.process import Limits, Supervision, ToolRun, run_ffmpeg

_PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=256x128:r=25:d=1")


def encode(fake: StandIn, *args: str, encoder: str = "h264_nvenc", **limits: float) -> ToolRun:
    supervision = Supervision(limits=Limits(stall_s=limits.get("stall_s"), time_s=30))
    argv = ["-y", *_PICTURE, "-c:v", encoder, *args]
    return run_ffmpeg(
        fake.build,
        argv if args[-1:] and "/" in args[-1] else [*argv, "-f", "null", "-"],
        supervision=supervision,
    )


def test_it_lists_the_encoders_of_devices_beside_those_of_the_real_one(standin: MakeStandIn) -> None:
    found = standin().build.encoders

    assert {"libx264", "h264_nvenc", "h265_ni_quadra_enc", "av1_ama", "hevc_vaapi"} <= found


def test_it_makes_a_real_file_in_software(standin: MakeStandIn, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"

    run = encode(
        standin(), "-gpu", "0", "-preset", "p4", "-rc", "vbr", "-cq", "23", "-pix_fmt", "p010le", str(out)
    )

    assert run.ok, run.stderr_tail
    assert run.progress is not None
    assert run.progress.frames == 25
    assert out.stat().st_size > 1000


@pytest.mark.parametrize(
    ("encoder", "args"),
    [
        ("h265_ni_quadra_enc", ("-enc", "0", "-xcoder-params", "intraPeriod=25:bitrate=500000:RcEnable=1")),
        ("hevc_ama", ("-vf", "format=nv12,hwupload", "-qp", "20")),
        ("h264_vaapi", ("-vf", "format=nv12|vaapi,hwupload,scale_vaapi=w=128:h=64", "-qp", "20")),
        ("h264_qsv", ("-global_quality", "23", "-look_ahead", "1", "-pix_fmt", "nv12")),
    ],
)  # fmt: skip
def test_it_understands_the_options_of_each_family(
    standin: MakeStandIn, encoder: str, args: tuple[str, ...]
) -> None:
    fake = standin([FakeDevice(family) for family in ("netint", "ama", "vaapi", "qsv")])

    run = encode(fake, *args, encoder=encoder)

    assert run.ok, run.stderr_tail


def test_a_full_card_refuses_one_more_session_in_its_drivers_words(standin: MakeStandIn) -> None:
    fake = standin([FakeDevice(sessions=2)])
    assert fake.sessions_in_use() == 0

    with fake.occupied(1):
        beside = encode(fake)
    with fake.occupied(2):
        refused = encode(fake)

    assert beside.ok
    assert "OpenEncodeSessionEx failed: out of memory (10)" in refused.stderr_tail
    assert classify(refused, fake.build.major).code == "encoder-busy"


def test_a_session_is_free_again_when_the_process_that_held_it_is_killed(standin: MakeStandIn) -> None:
    fake = standin([FakeDevice(sessions=1, hangs="deaf", after=5)])
    process = subprocess.Popen(
        [fake.path, "-v", "error", *_PICTURE, "-progress", "pipe:1", "-c:v", "h264_nvenc", "-f", "null", "-"],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    for line in process.stdout:  # it hangs once this has come
        if line == b"progress=continue\n":
            break
    assert fake.sessions_in_use() == 1

    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()

    assert fake.sessions_in_use() == 0


def test_a_command_with_two_outputs_takes_two_sessions(standin: MakeStandIn) -> None:
    fake = standin([FakeDevice(sessions=1)])

    run = encode(fake, "-f", "null", "-", "-c:v", "hevc_nvenc")

    assert classify(run, fake.build.major).code == "encoder-busy"


def test_a_card_that_fails_after_some_frames_has_written_those(standin: MakeStandIn, tmp_path: Path) -> None:
    fake = standin([FakeDevice(fault="lost", after=10)])
    out = tmp_path / "out.mkv"

    run = encode(fake, str(out))

    assert run.progress is not None
    assert run.progress.frames == 10
    assert not run.progress.ended
    assert (classify(run, fake.build.major).code, run.exit_status) == ("encoder-failed", 251)
    assert out.stat().st_size > 0


def test_a_card_may_fail_once_and_be_well_again(standin: MakeStandIn) -> None:
    fake = standin([FakeDevice(fault="encode-picture", after=3, fault_times=1)])

    assert [encode(fake).ok, encode(fake).ok] == [False, True]


def test_an_encode_shorter_than_the_fault_ends_well(standin: MakeStandIn) -> None:
    run = encode(standin([FakeDevice(fault="lost", after=1000)]))

    assert run.ok
    assert run.progress is not None
    assert run.progress.ended


def test_a_device_that_hangs_is_stopped_by_the_watchdog_and_lets_go_of_its_session(
    standin: MakeStandIn,
) -> None:
    fake = standin([FakeDevice(hangs="polite", after=2)])

    run = encode(fake, stall_s=0.5)

    assert run.stopped == "stalled"
    assert fake.sessions_in_use() == 0


def test_a_slow_device_makes_the_same_frames_more_slowly(standin: MakeStandIn) -> None:
    run = encode(standin([FakeDevice(slow=0.5)]))

    assert run.progress is not None
    assert run.progress.frames == 25
    # A busy machine can only make it slower still.
    assert (run.progress.speed or 0) < 1.5


def test_only_the_card_that_is_named_is_ill(standin: MakeStandIn) -> None:
    fake = standin([FakeDevice(index=0, open_error="gpu-lost"), FakeDevice(index=1)])

    assert classify(encode(fake, "-gpu", "0"), fake.build.major).code == "device-sick"
    assert encode(fake, "-gpu", "1").ok
    fake.change("nvenc", 0, open_error=None)
    assert encode(fake, "-gpu", "0").ok


@pytest.mark.parametrize(
    ("devices", "encoder", "args", "code"),
    [
        ([], "h264_nvenc", (), "no-device"),
        ([FakeDevice()], "h264_nvenc", ("-gpu", "7"), "no-device"),
        ([FakeDevice(codecs=("h264",))], "av1_nvenc", (), "encoder-unsupported"),
        ([FakeDevice(depths=(8,))], "hevc_nvenc", ("-pix_fmt", "p010le"), "encoder-unsupported"),
        ([FakeDevice(max_width=200)], "h264_nvenc", ("-s", "256x128"), "encoder-unsupported"),
        ([FakeDevice("netint", sessions=0)], "h264_ni_quadra_enc", (), "encoder-busy"),
        ([FakeDevice("ama", sessions=0)], "h264_ama", (), "encoder-busy"),
    ],
)  # fmt: skip
def test_what_a_device_cannot_do_it_refuses(
    standin: MakeStandIn, devices: list[FakeDevice], encoder: str, args: tuple[str, ...], code: str
) -> None:
    fake = standin(devices)

    run = encode(fake, *args, encoder=encoder)

    assert classify(run, fake.build.major).code == code


@pytest.mark.parametrize("major", [5, 9])
@pytest.mark.parametrize("name", FAILURES)
def test_every_failure_it_knows_is_classified_as_its_driver_means_it(name: str, major: int) -> None:
    failure = FAILURES[name]
    said = stderr_of(failure, "h264_nvenc", major, opening=True)
    status = -failure.signal if failure.signal else failure.status if major >= 6 else 1

    error = classify(ToolRun(("/opt/ffmpeg", "-i", "a.mov"), status, 1.0, 1.0, said), major)

    assert (error.code, error.details["action"]) == (failure.code, failure.action)


def test_a_double_free_in_the_driver_ends_it_with_sigabrt(standin: MakeStandIn) -> None:
    fake = standin([FakeDevice(open_error="double-free")])

    run = encode(fake)

    assert run.exit_status == -signal.SIGABRT
    assert classify(run, fake.build.major).code == "encoder-busy"


@pytest.mark.needs("ffmpeg")
def test_over_an_older_ffmpeg_it_ends_with_status_1_as_that_does(standin: MakeStandIn) -> None:
    fake = standin([FakeDevice(sessions=0)], real=Path("/usr/bin/ffmpeg"))

    run = encode(fake)

    assert run.exit_status == 1
    assert classify(run, fake.build.major).code == "encoder-busy"


def test_it_notes_what_was_asked_of_which_device(standin: MakeStandIn) -> None:
    fake = standin([FakeDevice(), FakeDevice(index=1)])

    encode(fake, "-gpu", "1", "-b:v", "1M")

    (call,) = fake.calls()
    assert call["devices"] == ["nvenc:1"]
    assert "h264_nvenc" in call["argv"]
