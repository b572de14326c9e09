"""The cold start of `inspect` on Lambda: its handler's import, and its first call, beside plain imports."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bench_s3
import imageio_ffmpeg
import measure
from report import AT_MOST, Goal, Options, Row, Section

from rushes.engines.aws.access.sdk_data import make

_EACH = 7
"""Processes of a method in a round; the median of them is the round's figure."""
_HANDLER = "`handler = inspect.lambda_handler`"
_FIRST = "the first call"
_OWN = "the first call of a handler of one's own"
_FIRST_CPU = "the first call, with the reader of clips: CPU"
_PYDANTIC = "`import pydantic`"
_DECLARED = "a model of pydantic, declared and not built"
_PLAIN = "`import boto3, aws_lambda_powertools, pydantic, av`"
_PLAIN_CPU = f"{_PLAIN}: CPU"
_CLIENT = "the SDK's client of S3 alone, made and not asked,"
_LEAST = "a model of pydantic, that client, a logger and metrics, no more,"
_BARE = "the same with two requests by the standard library, unsigned, for the client,"
_OUTSIDE = "the first call outside the image"
_USUAL = "the same by a handler that imports plainly and fetches the clip"


def run(options: Options) -> Section:
    section = Section(
        "Cold start of `inspect` on Lambda",
        "From the first line that a fresh interpreter runs, byte code and page cache warm, in milliseconds; "
        f"the median of {_EACH} processes is a round's figure. The first call is one of the image's handler "
        "for an object of some megabytes on a server on loopback, with prices and metrics, without a ledger. "
        "As in the image, the SDK's descriptions of services lie beside it without their prose; outside it "
        "they do not. `import pydantic` imports no model: a module with options and a result declares some, "
        "so a handler of one's own is shown beside such a one, too.",
    )
    folder = options.folder / "cold-start"
    (folder / "store").mkdir(parents=True, exist_ok=True)
    _make_clip(folder / "store" / "clip.mov")
    make(folder / "sdk")
    with bench_s3.served(folder / "store") as (client, _):
        environment = {
            "AWS_ENDPOINT_URL": client.meta.endpoint_url,
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nobody",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "2048",
            "RUSHES_FUNCTION": "rushes_functions.inspect:inspect",
        }
        image = {**environment, "RUSHES_SDK_DATA": str(folder / "sdk")}
        names = {
            "the image's handler": "entry",
            _HANDLER: "handler",
            _PYDANTIC: "pydantic",
            _DECLARED: "declared",
            _FIRST: "first",
            _FIRST_CPU: "first",
            _OWN: "own",
            _OUTSIDE: "first",
            _PLAIN: "plain",
            _PLAIN_CPU: "plain",
            _CLIENT: "client",
            _LEAST: "least",
            _BARE: "bare",
            _USUAL: "usual",
        }
        for what in names.values():
            _milliseconds(what, folder, image, 1, "seconds")()  # byte code
        methods = {
            name: _milliseconds(
                what,
                folder,
                environment if name == _OUTSIDE else image,
                _EACH,
                "cpu_seconds" if name.endswith("CPU") else "seconds",
            )
            for name, what in names.items()
        }
        series, section.left_out = measure.interleave(methods, options.rounds)
    for name, against, goal in (
        ("the image's handler", _PYDANTIC, Goal(AT_MOST, 1.6)),
        (_HANDLER, _DECLARED, None),
        (_HANDLER, _PYDANTIC, None),
        (_DECLARED, _PYDANTIC, None),
        (_FIRST, _PLAIN, Goal(AT_MOST, 0.8)),
        (_FIRST, _USUAL, None),
        (_FIRST_CPU, _PLAIN_CPU, None),
        (_OUTSIDE, _PLAIN, None),
        (_OWN, _PLAIN, None),
        (_LEAST, _PLAIN, None),
        (_BARE, _PLAIN, None),
        (_CLIENT, _PLAIN, None),
    ):
        if name in series and against in series:
            ours, other = series[name], series[against]
            what = f"{name} against {against}"
            section.rows.append(Row(what, measure.ratios(ours, other), goal, ours, other, "ms"))
    return section


def _make_clip(target: Path) -> None:
    """A clip that is larger than what is fetched whole, with frames like a camera's: each by itself."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    source = ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=25:duration=3"]
    encode = ["-c:v", "mjpeg", "-q:v", "1", "-pix_fmt", "yuvj420p"]
    subprocess.run([ffmpeg, "-v", "error", "-y", *source, *encode, str(target)], check=True)


def _milliseconds(
    what: str, folder: Path, environment: dict[str, str], count: int, key: str
) -> Callable[[], float]:
    def measured() -> float:
        with_folder: dict[str, Any] = {**environment, "TMPDIR": str(folder)}
        found = sorted(float(measure.script("cold_start.py", what, **with_folder)[key]) for _ in range(count))
        return 1000 * found[count // 2]

    return measured
