# ruff: noqa: S606, SIM905, FBT003, RUF007, RET503 - it becomes another program, and imports little
"""The stand-in ffmpeg itself: it behaves as devices that encode; the real ffmpeg does the work in software.

`main` is called by a small executable in a state folder, which `fakes` writes. A session of a
device is a locked file there, held by the process that encodes: the kernel lets go of it when that process
dies, however it dies. Standard library only, and as little of it as will do: this starts with each ffmpeg.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, NoReturn

from standin.texts import FAILURES, Failure, stderr_of

__all__ = ["DEVICE_OF", "main"]

_FAMILIES: Final = {
    "nvenc": ("h264_nvenc", "hevc_nvenc", "av1_nvenc"),
    "netint": ("h264_ni_quadra_enc", "h265_ni_quadra_enc", "av1_ni_quadra_enc"),
    "ama": ("h264_ama", "hevc_ama", "av1_ama"),
    "qsv": ("h264_qsv", "hevc_qsv", "av1_qsv"),
    "vaapi": ("h264_vaapi", "hevc_vaapi", "av1_vaapi"),
}
DEVICE_OF: Final = {name: family for family, names in _FAMILIES.items() for name in names}
_CODEC_OF: Final = {
    name: codec
    for names in _FAMILIES.values()
    for name, codec in zip(names, ("h264", "hevc", "av1"), strict=True)
}
_SOFTWARE: Final = {
    "h264": ("libx264", "-preset", "ultrafast"),
    "hevc": ("libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"),
    "av1": ("libsvtav1", "-preset", "12"),
}
# What these families add to a build's lists. Names only: the rest of a line is not read.
_LISTED: Final = {
    "-encoders": [f" V....D {name}  stand-in" for name in DEVICE_OF],
    "-decoders": [f" V....D {name}  stand-in" for name in (
        "h264_ni_quadra_dec", "h265_ni_quadra_dec", "vp9_ni_quadra_dec",
        "h264_ama", "hevc_ama", "av1_ama", "vp9_ama", "h264_cuvid", "hevc_cuvid",
    )],
    "-filters": [f" ... {name}  V->V  stand-in" for name in (
        "ni_quadra_scale", "ni_quadra_hwupload", "scaler_ama", "scale_cuda", "scale_qsv", "scale_vaapi",
        "hwupload_cuda",
    )],
}  # fmt: skip
_NO_SESSION: Final = {
    "nvenc": "sessions",
    "netint": "ni-busy",
    "ama": "mpsoc",
    "qsv": "mfx",
    "vaapi": "no-display",
}
_NO_DEVICE: Final = {
    "nvenc": "no-device",
    "netint": "ni-sick",
    "ama": "no-display",
    "qsv": "mfx",
    "vaapi": "no-display",
}
_NO_FORMAT: Final = {"netint": "ni-unsupported"}
# Options of devices that no software encoder has; each takes a value.
_DROPPED: Final = frozenset(
    "-gpu -enc -dec -init_hw_device -filter_hw_device -hwaccel -hwaccel_device -hwaccel_output_format"
    " -extra_hw_frames -out_fmt -qsv_device -vaapi_device -rc -rc:v -rc_mode -rc_mode:v -surfaces -delay"
    " -spatial-aq -spatial_aq -temporal-aq -temporal_aq -aq-strength -rc-lookahead -multipass -b_ref_mode"
    " -weighted_pred"
    " -forced-idr -forced_idr -strict_gop -no-scenecut -nonref_p -tier -tier:v -xcoder-gop -expert_options"
    " -lookahead_depth -look_ahead -look_ahead_depth -qmode -cores -async_depth -low_power -preset -preset:v"
    " -tune -tune:v -profile -profile:v -level -level:v -highbitdepth -keylist -extbrc -idr_interval -qp"
    " -qp:v"
    " -dynamic_gop -cuda_ctx -scenario -adaptive_i -adaptive_b -blbrc -compression_level -quality".split()
)
_QUALITY: Final = frozenset(("-cq", "-cq:v", "-global_quality", "-global_quality:v"))
_CODEC_OPTION: Final = re.compile(r"^-(c|codec)(:v)?(:\d+)?$|^-vcodec$")
_WIDE: Final = re.compile(r"(?:scale=(?:w=)?|^)(\d+)(?:x|:)\d+")
_PDEATHSIG: Final = 1


def main(state: Path, argv: list[str]) -> NoReturn:
    """Be ffmpeg, with the devices of a state folder."""
    setup: dict[str, Any] = json.loads((state / "devices.json").read_bytes())
    real = str(setup["real"])
    for option, lines in _LISTED.items():
        if option in argv:
            done = subprocess.run([real, *argv], stdout=subprocess.PIPE, check=False)
            sys.stdout.write(done.stdout.decode() + "".join(f"{line}\n" for line in lines))
            sys.exit(done.returncode)
    asked = _encoders(argv)
    if not asked:
        os.execv(real, [real, *argv])
    held = [_open(state, setup, argv, name, at) for at, name in enumerate(asked)]
    _note(state, {"pid": os.getpid(), "argv": argv, "devices": [device["name"] for device in held]})
    changed = _in_software(argv)
    device = next((one for one in held if _misbehaves(state, one)), held[0])
    if device.get("slow"):
        at = changed.index("-i") if "-f" not in changed[: changed.index("-i")] else changed.index("-f")
        changed[at:at] = ["-readrate", str(device["slow"])]
    if "misbehaves" not in device:
        os.execv(real, [real, *changed])  # the locks go with it
    _misbehave(real, changed, device, asked[0], int(setup["major"]))


# -- sessions ---------------------------------------------------------------------------------------------


def _open(state: Path, setup: dict[str, Any], argv: list[str], encoder: str, at: int) -> dict[str, Any]:
    """A session for one output, or the end of this process as of one that got none."""
    family, major = DEVICE_OF[encoder], int(setup["major"])
    mine = [one for one in setup["devices"] if one["family"] == family]
    index = _index(argv, family, at)
    device: dict[str, Any] | None = next((one for one in mine if one["index"] == index), None)
    if device is None:
        nothing = "no-driver" if family == "nvenc" and not mine else _NO_DEVICE[family]
        _fail(FAILURES[nothing], encoder, major)
    device["name"] = f"{family}:{index}"
    if device.get("open_error") and _counts(state, device, "open", device.get("open_error_times")):
        _fail(FAILURES[device["open_error"]], encoder, major)
    if _CODEC_OF[encoder] not in device["codecs"]:
        _fail(FAILURES[_NO_FORMAT.get(family, "no-codec")], encoder, major)
    output = argv[_last_input(argv) :]
    if 10 not in device["depths"] and any("p010" in one or "10le" in one for one in output):
        _fail(FAILURES[_NO_FORMAT.get(family, "no-10-bit")], encoder, major)
    if any(int(width) > device["max_width"] for one in output for width in _WIDE.findall(one)):
        _fail(FAILURES[_NO_FORMAT.get(family, "too-wide")], encoder, major)
    if device.get("refuses") and any(device["refuses"] in one for one in output):
        _fail(FAILURES[_NO_FORMAT.get(family, "too-wide")], encoder, major)
    for number in range(device["sessions"]):
        handle = os.open(state / f"session-{family}-{index}-{number}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        os.set_inheritable(handle, True)  # a process that takes our place goes on holding it
        device["lock"] = handle
        return device
    _fail(FAILURES[_NO_SESSION[family]], encoder, major)


def _counts(state: Path, device: dict[str, Any], what: str, times: int | None) -> bool:
    """Whether this is one of the first `times` times, over all processes; None is always."""
    if times is None:
        return True
    handle = os.open(
        state / f"count-{device['family']}-{device['index']}-{what}", os.O_RDWR | os.O_CREAT, 0o600
    )
    fcntl.flock(handle, fcntl.LOCK_EX)
    count = int(os.read(handle, 20) or b"0")
    os.pwrite(handle, str(count + 1).encode(), 0)
    os.close(handle)
    return count < times


def _note(state: Path, call: dict[str, Any]) -> None:
    with (state / "calls.jsonl").open("a", encoding="utf-8") as file:  # one write: lines do not mix
        file.write(json.dumps(call) + "\n")


# -- the command line -------------------------------------------------------------------------------------


def _last_input(argv: list[str]) -> int:
    return max((at for at, one in enumerate(argv) if one == "-i"), default=0)


def _encoders(argv: list[str]) -> list[str]:
    """The device encoders of the outputs, in order; the same names before an input are decoders."""
    start = _last_input(argv)
    return [
        value
        for option, value in zip(argv[start:], argv[start + 1 :], strict=False)
        if _CODEC_OPTION.match(option) and value in DEVICE_OF
    ]


def _index(argv: list[str], family: str, at: int) -> int:
    option = {"nvenc": "-gpu", "netint": "-enc"}.get(family)
    if option is not None:
        named = [value for one, value in zip(argv, argv[1:], strict=False) if one == option]
        return int(named[min(at, len(named) - 1)]) if named else 0
    node = re.search(r"ama_transcoder(\d+)|renderD(\d+)", " ".join(argv))
    if node is None:
        return 0
    return int(node[1]) if node[1] else int(node[2]) - 128


def _in_software(argv: list[str]) -> list[str]:
    """The same command for software encoders."""
    start, changed, words = _last_input(argv), [], iter(enumerate(argv))
    for at, word in words:
        value = argv[at + 1] if at + 1 < len(argv) else ""
        if word in _DROPPED:
            next(words)
        elif word in _QUALITY:
            next(words)
            changed += ["-crf", value]
        elif word == "-xcoder-params":
            next(words)
            changed += _of_netint(value)
        elif _CODEC_OPTION.match(word) and at < start and ("_" in value):
            next(words)  # a device's decoder: ours decodes in software
        elif _CODEC_OPTION.match(word) and value in DEVICE_OF:
            next(words)
            changed += [word, *_SOFTWARE[_CODEC_OF[value]]]
        elif word.startswith("-pix_fmt"):
            next(words)
            changed += [word, {"p010le": "yuv420p10le", "nv12": "yuv420p"}.get(value, value)]
        elif word in ("-vf", "-filter:v", "-filter_complex") or word.startswith("-filter:v:"):
            next(words)
            changed += [word, _filters(value)]
        else:
            changed.append(word)
    return changed


def _of_netint(params: str) -> list[str]:
    known = dict(one.partition("=")[::2] for one in params.split(":"))
    found = ["-g", known["intraPeriod"]] if "intraPeriod" in known else []
    found += ["-b:v", known["bitrate"]] if "bitrate" in known else []
    return found + (["-crf", known["crf"]] if "crf" in known else [])


def _filters(graph: str) -> str:
    graph = re.sub(r"\b(ni_quadra_)?hw(up|down)load(_cuda)?(=[^,;\[]*)?", "null", graph)
    graph = re.sub(r"\bscaler_ama=out_res=\((\d+x\d+)\):outputs=1", r"scale=s=\1", graph)
    graph = re.sub(r"\b(scale_(cuda|npp|vaapi|qsv)|ni_quadra_scale)=", "scale=", graph)
    graph = graph.replace("p010le", "yuv420p10le").replace("nv12", "yuv420p")
    return re.sub(r"\|(vaapi|cuda|qsv|ni_quadra)\b", "", graph)


# -- failing ----------------------------------------------------------------------------------------------


def _fail(failure: Failure, encoder: str, major: int, *, opening: bool = True) -> NoReturn:
    os.write(2, stderr_of(failure, encoder, major, opening=opening).encode())
    if failure.signal:
        signal.signal(failure.signal, signal.SIG_DFL)
        os.kill(os.getpid(), failure.signal)
    os._exit(failure.status if major >= 6 else 1)


def _misbehaves(state: Path, device: dict[str, Any]) -> bool:
    wanted = device.get("fault") or device.get("hangs")
    if not wanted or not _counts(state, device, "fault", device.get("fault_times")):
        return False
    device["misbehaves"] = True
    return True


def _misbehave(real: str, argv: list[str], device: dict[str, Any], encoder: str, major: int) -> NoReturn:
    """Encode so many frames, then fail or hang; an encode that has fewer ends well."""
    frames = int(device["after"])
    done = 0
    if frames:
        for at in reversed(
            [at for at, one in enumerate(argv) if _CODEC_OPTION.match(one) and at > _last_input(argv)]
        ):
            if argv[at + 1] in {name for name, *_ in _SOFTWARE.values()}:
                argv[at:at] = ["-frames:v", str(frames)]
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the real one gets it too, and ends; then we do
        process = subprocess.Popen([real, *argv], stdout=subprocess.PIPE, preexec_fn=_die_with_us)  # noqa: PLW1509 - no threads here
        assert process.stdout is not None
        last = b""
        for line in process.stdout:
            if line.startswith(b"frame="):
                done = int(line[6:])
            if line.startswith(b"progress=end"):
                last = line
                break
            os.write(1, line)
        status = process.wait()
        if status != 0 or done < frames:
            os.write(1, last)
            os._exit(status if status >= 0 else 255)
        os.write(1, b"progress=continue\n")
    if device.get("hangs"):
        _hang(deaf=device["hangs"] == "deaf")
    _fail(FAILURES[device["fault"]], encoder, major, opening=not frames)


def _die_with_us() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _hang(*, deaf: bool) -> NoReturn:
    """Stay, with the session held, saying nothing; a polite one goes when it is asked to."""

    def leave(number: int, _frame: object) -> None:
        os.write(2, f"Exiting normally, received signal {number}.\n".encode())
        os._exit(255)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else leave)
    while True:
        time.sleep(3600)
