"""Functions that tests deploy; found as a module, as in an image."""

from __future__ import annotations

import time
from pathlib import Path

from rushes import (
    Asset,
    Context,
    Output,
    Params,
    Resources,
    Result,
    function,
    on_folder,
    on_s3,
    on_schedule,
    on_sqs,
)


class Wrote(Result):
    file: Output


class Looked(Result):
    size_bytes: int


@function(
    version="1",
    owner="dailies",
    resources=Resources(cpu=2, memory="2GiB"),
    triggers=[
        on_s3(
            "cards/{show}/day*/**", kinds="video", show="{show}", out="s3://proxies/{show}", priority="urgent"
        ),
    ],
)
def small(clip: Asset, params: Params, ctx: Context) -> Wrote:
    """Makes the proxy of a clip."""
    out = ctx.output(f"{clip.stem}.txt")
    out.path.write_bytes(clip.path.read_bytes().upper())
    return Wrote(file=out)


@function(version="3", timeout_s=120, max_concurrency=1, triggers=[on_s3("sound/**", ready="sidecar:.xml")])
def look(clip: Asset, params: Params) -> Looked:
    """Looks at a recording."""
    print(f"looking at {clip.stem}")  # noqa: T201 - as bodies do
    return Looked(size_bytes=clip.path.stat().st_size)


@function(version="1", resources=Resources(gpu=1), triggers=[on_s3("cards/{show}/masters/**", show="{show}",
          out="s3://proxies/{show}/masters", priority="background")])  # fmt: skip
def heavy(clip: Asset, params: Params, ctx: Context) -> Wrote:
    """Wants a card."""
    raise AssertionError


@function(version="1", resources=Resources(memory="12GiB"), triggers=[on_s3("sound/long/**")])
def large(clip: Asset, params: Params) -> Looked:
    """Wants more memory than Lambda has."""
    return Looked(size_bytes=clip.path.stat().st_size)


@function(
    version="1",
    triggers=[
        on_schedule("cron(0 20 * * ? *)", "cards/night/**", kinds="video"),
        on_sqs("requests", "cards/**", priority="urgent"),
        on_s3("cards/reels/**", ready="manifest:reel.csv"),
        on_folder("/mnt/cards"),
    ],
)
def often(clip: Asset, params: Params) -> Looked:
    """Is started in every way."""
    return Looked(size_bytes=clip.path.stat().st_size)


@function(version="1")
def asked(clip: Asset, params: Params) -> Looked:
    """Is called directly, and by nothing else."""
    raise AssertionError


class Gated(Params):
    gate: str = ""


@function(version="1", stall_s=600)
def hold(clip: Asset, params: Gated, ctx: Context) -> Wrote:
    """Runs until it is let go; at once where nothing holds it."""
    while params.gate and not Path(params.gate).exists():
        ctx.progress(-1.0)
        time.sleep(0.02)
    out = ctx.output(f"{clip.stem}.txt")
    out.path.write_bytes(clip.path.read_bytes())
    return Wrote(file=out)
