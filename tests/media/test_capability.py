"""What works here is known by trying it, is kept while that holds; what does not says why in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from standin.fakes import FakeDevice, MakeStandIn

from rushes.errors import CallerError
from rushes.media.devices import probe_cache
from rushes.media.devices.calibration import calibrate
from rushes.media.devices.capability import Capability, Curve, Finding, Point, SeenDevice, TriedBuild
from rushes.media.devices.device_nodes import Nodes, find_devices, look
from rushes.media.devices.probe import lanes
from rushes.media.devices.probe_cache import believed, capability, curves, keep_curves, kept, probe, probe_key
from rushes.media.devices.trial_rows import as_encoded, command, depth_of, trials
from rushes.media.running.builds import Build
from rushes.media.running.process import ToolRun

_NOW = 1_800_000_000.0
_H264 = Finding("software", "cpu", "libx264", "h264", 8, works=True)
_SMALL = Capability(
    builds=(TriedBuild(("software", "nvenc"), "/opt/ffmpeg", 1, 2, "9.0"),),
    drivers={"nvidia": "570.1"},
    devices=(SeenDevice("nvenc", 0, "/dev/nvidia0", "L4", "570.1"),),
    findings=(
        _H264,
        Finding("nvenc", "nvenc:0", "av1_nvenc", "av1", 10, works=False, why="No.", code="no-device"),
    ),
    key="abc",
    probed_at=_NOW,
)


# -- on a host ----------------------------------------------------------------------------------------------


def _only(found: Capability, family: str) -> list[Finding]:
    return [one for one in found.findings if one.family == family]


def test_on_a_host_without_devices_software_works_and_no_device_encoder_is_started(rushes_home: Path) -> None:
    found = probe({"RUSHES_HOME": str(rushes_home)}, _NOW, nodes=Nodes())

    assert {(one.encoder, one.depth) for one in found.working()} >= {
        ("libx264", 8), ("libx264", 10), ("libx265", 8), ("libx265", 10), ("libsvtav1", 8), ("libsvtav1", 10),
        ("libvpx-vp9", 8), ("prores_ks", 10), ("dnxhd", 8), ("dnxhd", 10), ("mpeg2video", 8), ("ffv1", 8),
    }  # fmt: skip
    assert {one.family for one in found.working()} == {"software"}
    hardware = [one for one in found.findings if one.family != "software"]
    assert len(hardware) > 10
    assert {one.seconds for one in hardware} == {0.0}
    assert "no NVIDIA device is there" in _only(found, "nvenc")[0].why


def test_what_has_no_device_to_see_can_be_tried_all_the_same(rushes_home: Path) -> None:
    found = probe({"RUSHES_HOME": str(rushes_home)}, _NOW, nodes=Nodes(), every=True)

    tried = [one for one in found.findings if one.encoder in ("h264_nvenc", "hevc_qsv", "h264_vaapi")]
    assert all(not one.works and one.seconds > 0 for one in tried)
    assert {one.code for one in tried} == {"no-device"}
    assert {one.code for one in _only(found, "netint")} == {"no-encoder"}


def test_each_device_is_tried_with_each_codec_and_depth(
    standin: MakeStandIn, rushes_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = standin([FakeDevice(codecs=("h264", "hevc")), FakeDevice(index=1, depths=(8,))])
    cards = (SeenDevice("nvenc", 0, model="T4"), SeenDevice("nvenc", 1, model="P4"))
    monkeypatch.setattr(probe_cache, "find_devices", lambda nodes: cards)

    found = probe({"RUSHES_HOME": str(rushes_home), "RUSHES_FFMPEG": fake.setting}, _NOW, nodes=Nodes())

    works = {(one.device, one.codec, one.depth) for one in found.working(family="nvenc")}
    assert works == {
        ("nvenc:0", "h264", 8), ("nvenc:0", "hevc", 8), ("nvenc:0", "hevc", 10),
        ("nvenc:1", "h264", 8), ("nvenc:1", "hevc", 8), ("nvenc:1", "av1", 8),
    }  # fmt: skip
    (why,) = {one.why for one in _only(found, "nvenc") if one.device == "nvenc:0" and one.codec == "av1"}
    assert why == "The GPU's encoder cannot do this format: Codec not supported."


def test_a_card_with_one_session_is_tried_without_filling_it(standin: MakeStandIn, rushes_home: Path) -> None:
    fake = standin([FakeDevice(sessions=1)])

    found = probe({"RUSHES_HOME": str(rushes_home), "RUSHES_FFMPEG": fake.setting}, _NOW, nodes=Nodes())

    assert len(found.working(family="nvenc")) == len(_only(found, "nvenc")) > 0


def test_a_build_named_for_a_family_is_tried_though_no_device_is_seen(
    standin: MakeStandIn, rushes_home: Path
) -> None:
    fake = standin([FakeDevice("netint")])

    found = probe({"RUSHES_HOME": str(rushes_home), "RUSHES_FFMPEG": fake.setting}, _NOW, nodes=Nodes())

    assert found.working(family="netint")
    assert not found.working(family="nvenc")


def test_a_device_that_hangs_costs_its_time_limit_and_the_others_work(
    standin: MakeStandIn, rushes_home: Path
) -> None:
    fake = standin([FakeDevice("ama", hangs="polite"), FakeDevice()])

    found = probe(
        {"RUSHES_HOME": str(rushes_home), "RUSHES_FFMPEG": fake.setting}, _NOW, nodes=Nodes(), limit_s=0.6
    )

    hung = _only(found, "ama")
    assert {one.code for one in hung} == {"timeout"}
    assert all(one.passing for one in hung)
    assert found.working(family="software")


def test_one_software_encoder_that_fails_does_not_take_the_others_with_it(
    rushes_home: Path, tmp_path: Path, bundled: Build
) -> None:
    lame = tmp_path / "ffmpeg"
    lame.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *-encoders*) {bundled.path} "$@" | grep -v libx265; exit;; esac\n'
        'case "$*" in *libx265*) echo "Unknown encoder \'libx265\'" >&2; exit 8;; esac\n'
        f'exec {bundled.path} "$@"\n'
    )
    lame.chmod(0o755)
    environ = {"RUSHES_HOME": str(rushes_home), "RUSHES_FFMPEG": str(lame), "RUSHES_BOX": "rlimits"}

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUSHES_BOX", "rlimits")
        found = probe(environ, _NOW, nodes=Nodes())

    lacking = {one.encoder for one in _only(found, "software") if not one.works}
    assert lacking == {"libx265"}
    assert (
        next(one.why for one in found.findings if one.encoder == "libx265")
        == "This ffmpeg was built without it."
    )


def test_a_family_whose_build_is_missing_says_so_and_the_rest_is_tried(
    rushes_home: Path, bundled: Build
) -> None:
    environ = {"RUSHES_HOME": str(rushes_home), "RUSHES_FFMPEG": f"{bundled.path},netint=/nowhere/ffmpeg"}

    found = probe(environ, _NOW, nodes=Nodes())

    assert "/nowhere/ffmpeg is not there" in _only(found, "netint")[0].why
    assert found.working(family="software")


def test_without_an_ffmpeg_for_software_there_is_nothing_to_say(rushes_home: Path) -> None:
    with pytest.raises(CallerError, match="not there"):
        probe({"RUSHES_HOME": str(rushes_home), "RUSHES_FFMPEG": "/nowhere/ffmpeg"}, _NOW, nodes=Nodes())


# -- kept ---------------------------------------------------------------------------------------------------


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times at which something was probed; a probe finds h264 alone."""
    made: list[float] = []

    def tried(*_: object) -> tuple[Finding, ...]:
        made.append(_NOW)
        return (_H264,)

    monkeypatch.setattr(probe_cache, "findings", tried)
    return made


def test_a_second_question_starts_nothing(rushes_home: Path, probes: list[float]) -> None:
    environ = {"RUSHES_HOME": str(rushes_home)}
    first = capability(environ, _NOW)

    second = capability(environ, _NOW + 1e7)

    assert len(probes) == 1
    assert second == first


def test_another_build_driver_or_device_is_tried_anew(
    rushes_home: Path, tmp_path: Path, bundled: Build, probes: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "ffmpeg"
    link.symlink_to(bundled.path)
    environ = {"RUSHES_HOME": str(rushes_home)}
    seen = Nodes(("/dev/nvidia0",), drivers={"nvidia": "570.1"})
    monkeypatch.setattr(probe_cache, "find_devices", lambda nodes: ())

    keys = {
        probe_key(environ, Nodes()),
        probe_key({**environ, "RUSHES_FFMPEG": str(link)}, Nodes()),
        probe_key(environ, seen),
        probe_key(environ, Nodes(("/dev/nvidia0",), drivers={"nvidia": "575.0"})),
        probe_key(environ, Nodes(("/dev/nvidia0", "/dev/nvidia1"), drivers={"nvidia": "570.1"})),
    }

    assert len(keys) == 5
    for nodes in (Nodes(), seen, seen):
        monkeypatch.setattr(probe_cache, "look", lambda nodes=nodes: nodes)
        capability(environ, _NOW)
    assert len(probes) == 2


@pytest.mark.parametrize(
    "junk", [b"", b"{", b"[]", b"null", b'{"schema": 99}', b"\xff\xfe", b'{"schema": 1}']
)
def test_a_cache_that_cannot_be_read_is_as_good_as_none(
    rushes_home: Path, probes: list[float], junk: bytes
) -> None:
    environ = {"RUSHES_HOME": str(rushes_home)}
    (rushes_home / "encoders.json").write_bytes(junk)

    assert capability(environ, _NOW).findings == (_H264,)

    assert kept(environ) is not None
    assert not list(rushes_home.glob(".encoders*"))


def test_a_cache_folder_that_cannot_be_written_only_costs_the_next_probe(
    tmp_path: Path, probes: list[float]
) -> None:
    (tmp_path / "file").touch()

    found = capability({"XDG_CACHE_HOME": str(tmp_path / "file")}, _NOW)

    assert found.findings == (_H264,)


def test_what_may_pass_is_believed_for_ten_minutes_only() -> None:
    full = Finding("nvenc", "nvenc:0", "h264_nvenc", "h264", 8, works=False, why="Full.", passing=True)
    busy = Capability((), {}, (), (_H264, full), key="k", probed_at=_NOW)
    plain = Capability((), {}, (), (_H264,), key="k", probed_at=_NOW)

    assert believed(busy, "k", _NOW + 599)
    assert not believed(busy, "k", _NOW + 601)
    assert not believed(busy, "k", _NOW - 1)
    assert believed(plain, "k", _NOW + 1e9)
    assert not believed(plain, "other", _NOW)


def test_a_capability_is_the_same_after_json() -> None:
    assert Capability.from_json(json.loads(json.dumps(_SMALL.to_json()))) == _SMALL


def test_what_works_can_be_asked_by_codec_depth_and_family() -> None:
    assert _SMALL.working() == (_H264,)
    assert _SMALL.working("h264", 8, "software") == (_H264,)
    assert _SMALL.working("h264", 10) == ()


# -- devices ------------------------------------------------------------------------------------------------

_SMI = "GPU 0: NVIDIA L4 (UUID: GPU-1f2e)\nGPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-77aa)\n"
# As it is: a banner, unquoted words and hexadecimal, commas where none may be.
_NI = """**************************************************
1 devices retrieved from current pool at start up
{ "encoders" : [ { "DEVICE": /dev/nvme0n1, "FR": 0x1f, }, { "DEVICE": /dev/nvme1n1, "LOAD": 3, }, ],
"decoders" : [ { "DEVICE": /dev/nvme0n1, }, ] }
"""


def _says(**tools: str) -> Callable[[str, list[str]], str]:
    return lambda tool, _args: tools.get(tool.replace("-", "_"), "")


def test_devices_are_found_by_their_nodes_without_any_tool() -> None:
    nodes = Nodes(
        nvidia=("/dev/nvidia0",),
        netint=("/dev/nvme3",),
        ama=("/dev/ama_transcoder0",),
        render=(("/dev/dri/renderD128", "0x8086"), ("/dev/dri/renderD129", "0x10de")),
        drivers={"nvidia": "570.1", "nvme3": "4.8"},
    )

    found = find_devices(nodes, _says())

    assert found == (
        SeenDevice("nvenc", 0, "/dev/nvidia0", driver="570.1"),
        SeenDevice("netint", 0, "/dev/nvme3", driver="4.8"),
        SeenDevice("ama", 0, "/dev/ama_transcoder0", "MA35D"),
        SeenDevice("qsv", 0, "/dev/dri/renderD128", "Intel"),
        SeenDevice("vaapi", 0, "/dev/dri/renderD128", "Intel"),
    )


def test_vendors_tools_add_models_and_the_order_of_cards() -> None:
    found = find_devices(Nodes(nvidia=("/dev/nvidia3",)), _says(nvidia_smi=_SMI, ni_rsrc_mon=_NI))

    assert [(one.name, one.model) for one in found if one.family == "nvenc"] == [
        ("nvenc:0", "NVIDIA L4"), ("nvenc:1", "NVIDIA H100 80GB HBM3"),
    ]  # fmt: skip
    assert [(one.name, one.path) for one in found if one.family == "netint"] == [
        ("netint:0", "/dev/nvme0"), ("netint:1", "/dev/nvme1"),
    ]  # fmt: skip


def test_a_tool_that_fails_or_cannot_be_started_adds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_BOX", "rlimits")
    for name, text in (
        ("nvidia-smi", f"#!/bin/sh\necho '{_SMI}'\nexit 9\n"),
        ("ni_rsrc_mon", "#!/nowhere\n"),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert find_devices(Nodes(nvidia=("/dev/nvidia0",))) == (SeenDevice("nvenc", 0, "/dev/nvidia0"),)


def test_the_nodes_of_a_host_are_read_from_dev_and_sys(tmp_path: Path) -> None:
    files = {
        "dev/nvidia0": "", "dev/nvidia10": "", "dev/nvidia2": "", "dev/nvidiactl": "",
        "dev/dri/renderD128": "", "dev/dri/card0": "", "dev/nvme0": "", "dev/ama_transcoder0": "",
        "proc/driver/nvidia/version":
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.124.06  Wed Feb 26 02:03:07 UTC 2025\n",
        "sys/class/drm/renderD128/device/vendor": "0x1002\n",
        "sys/class/nvme/nvme0/model": "QuadraT1U\n", "sys/class/nvme/nvme0/firmware_rev": "4830r2r1\n",
        "sys/class/nvme/nvme1/model": "Some SSD\n",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    assert look(tmp_path) == Nodes(
        nvidia=("/dev/nvidia0", "/dev/nvidia2", "/dev/nvidia10"),
        netint=("/dev/nvme0",),
        ama=("/dev/ama_transcoder0",),
        render=(("/dev/dri/renderD128", "0x1002"),),
        drivers={"nvme0": "4830r2r1", "nvidia": "570.124.06"},
    )


# -- what is tried ------------------------------------------------------------------------------------------


def test_every_family_has_trials_at_eight_and_at_ten_bits() -> None:
    for family in ("software", "nvenc", "netint", "ama", "qsv", "vaapi"):
        assert {trial.depth for trial in trials() if trial.family == family} == {8, 10}, family


@pytest.mark.parametrize(
    ("pix_fmt", "depth"),
    [("yuv420p", 8), ("nv12", 8), ("p010le", 10), ("yuv422p10le", 10), ("yuv420p12le", None), ("yuv444p", 8)],
)
def test_the_depth_of_a_pixel_format_is_read_off_its_name(pix_fmt: str, depth: int | None) -> None:
    assert depth_of(pix_fmt) == depth


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (SeenDevice("nvenc", 2), ("-gpu", "2")),
        (SeenDevice("netint", 1), ("-enc", "1")),
        (SeenDevice("ama", 1, "/dev/ama_transcoder1"), ("-init_hw_device", "ama=card:/dev/ama_transcoder1")),
        (SeenDevice("qsv", 0, "/dev/dri/renderD129"), ("qsv=card:hw_any,child_device=/dev/dri/renderD129",)),
    ],
)
def test_a_device_is_named_as_its_family_wants_it(device: SeenDevice, words: tuple[str, ...]) -> None:
    trial = next(one for one in trials() if one.family == device.family)

    argv = command(trial, device)

    at = argv.index(words[0])
    assert tuple(argv[at : at + len(words)]) == words


@pytest.mark.parametrize("family", ["ama", "vaapi"])
def test_frames_that_are_on_the_device_are_not_scaled_or_converted_behind_it(family: str) -> None:
    argv = command(next(one for one in trials() if one.family == family), SeenDevice(family, 0))

    assert not {"-s", "-pix_fmt"} & set(argv)
    assert argv[argv.index("-vf") + 1].endswith(",hwupload")


def test_a_plan_has_a_lane_for_each_device_and_says_why_a_family_has_none(bundled: Build) -> None:
    builds = dict.fromkeys(("software", "nvenc", "netint", "ama", "qsv", "vaapi"), bundled)

    plan = lanes(builds, [SeenDevice("nvenc", 0), SeenDevice("nvenc", 1)], named=frozenset({"ama"}))

    said = [(lane.device.name if lane.device else lane.trials[0].family, bool(lane.skipped)) for lane in plan]
    assert said == [
        ("software", False), ("nvenc:0", False), ("nvenc:1", False), ("netint", True), ("ama:0", False),
        ("qsv", True), ("vaapi", True),
    ]  # fmt: skip


# -- speed --------------------------------------------------------------------------------------------------


def _points(per_pixel_s: float, per_frame_s: float) -> list[Point]:
    return [
        Point(w, h, 50, 50 * (per_pixel_s * w * h + per_frame_s))
        for w, h in ((640, 360), (1280, 720), (1920, 1080))
    ]


def test_a_curve_is_fitted_to_pixels_and_frames() -> None:
    curve = Curve.fit(_H264, _points(5e-9, 0.003))

    assert curve is not None
    assert curve.per_pixel_s == pytest.approx(5e-9)
    assert curve.per_frame_s == pytest.approx(0.003)
    # A device that loses pixels a second as frames shrink.
    assert curve.pixels_per_s(640, 360) < curve.pixels_per_s(1920, 1080)
    assert Curve.from_json(json.loads(json.dumps(curve.to_json()))) == curve


@pytest.mark.parametrize(
    "points",
    [
        _points(5e-9, -0.0005),
        [Point(1280, 720, 10, 1.0)],
        [Point(640, 360, 10, 5.0), Point(1920, 1080, 10, 1.0)],
    ],
)
def test_a_curve_never_promises_negative_time(points: list[Point]) -> None:
    curve = Curve.fit(_H264, points)

    assert curve is not None
    assert min(curve.per_pixel_s, curve.per_frame_s) >= 0
    assert curve.seconds(100, 1) > 0


def test_no_measurement_makes_no_curve() -> None:
    assert Curve.fit(_H264, []) is None
    assert Curve.fit(_H264, [Point(640, 360, 0, 1.0), Point(640, 360, 5, 0.0)]) is None


def test_a_calibration_leaves_the_start_of_the_process_out(bundled: Build) -> None:
    def timed(build: Build, args: list[str]) -> ToolRun:
        frames = int(args[args.index("-frames:v") + 1])
        width, height = map(int, args[args.index("-s") + 1].split("x"))
        seconds = 0.25 + frames * (4e-9 * width * height + 0.001)
        return ToolRun((), 0, seconds, seconds, "")

    (curve,) = calibrate(_SMALL, lambda family: bundled, run=timed)

    assert curve.per_pixel_s == pytest.approx(4e-9)
    assert curve.per_frame_s == pytest.approx(0.001)


def test_a_calibration_measures_the_usual_preset_and_not_the_quickest() -> None:
    trial = next(one for one in trials() if one.encoder == "libx264")

    usual = as_encoded(trial)

    assert ("ultrafast" in trial.args, "medium" in usual.args) == (True, True)
    assert "-crf" in usual.args
    assert usual.args[-2:] == trial.variant == ("-profile:v", "high")


def test_a_real_calibration_measures_what_works(bundled: Build) -> None:
    (curve,) = calibrate(_SMALL, lambda family: bundled, sizes=((128, 72), (320, 180)), wanted_s=0.1)

    assert curve.encoder == "libx264"
    assert curve.pixels_per_s(320, 180) > 0


def test_curves_are_kept_for_the_probe_that_they_belong_to(rushes_home: Path) -> None:
    environ = {"RUSHES_HOME": str(rushes_home)}
    curve = Curve.fit(_H264, _points(5e-9, 0.003))
    assert curve is not None

    keep_curves(environ, "key", [curve])

    assert curves(environ, "key") == (curve,)
    assert curves(environ, "other") == ()
