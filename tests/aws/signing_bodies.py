"""Functions whose bodies talk to S3 by themselves, in Lambda's words; loaded by path."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError, NoCredentialsError

from rushes import Asset, Context, Output, Params, Result, function

_KEPT: list[Any] = []
"""A client that a module makes once, as authors do."""


def s3() -> Any:
    """The same for all attempts of a process."""
    if not _KEPT:
        _KEPT.append(boto3.client("s3"))
    return _KEPT[0]


class Asked(Params):
    reads: tuple[str, ...] = ()
    writes: str = ""
    gate: str = ""
    notes: Asset | None = None


class Told(Result):
    key: str
    read: dict[str, str]


class Wrote(Told):
    file: Output


def parted(uri: str) -> dict[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": key}


def look(params: Asked) -> Told:
    """Read each by oneself; what is refused says so."""
    read = {}
    for uri in params.reads:
        try:
            read[uri] = s3().get_object(**parted(uri))["Body"].read().decode()
        except ClientError as error:
            read[uri] = error.response["Error"]["Code"]
        except NoCredentialsError:
            read[uri] = "none"
    if params.writes:
        try:
            s3().put_object(**parted(params.writes), Body=b"beside")
            read[params.writes] = "written"
        except ClientError as error:
            read[params.writes] = error.response["Error"]["Code"]
    found = boto3.Session().get_credentials()
    return Told(key=found.get_frozen_credentials().access_key if found else "", read=read)


@function(version="1")
def describe(clip: Asset, params: Asked) -> Told:
    """Makes no file."""
    return look(params)


@function(version="1", stall_s=600)
def write(clip: Asset, params: Asked, ctx: Context) -> Wrote:
    """Reads, waits where it is told to, and reads again."""
    told = look(params)
    if params.gate:
        Path(f"{params.gate}.begun").write_text(json.dumps(told.model_dump()))
        while not Path(params.gate).exists():
            ctx.progress(-1.0)
            time.sleep(0.02)
        told = look(params)
    out = ctx.output(f"{clip.stem}.txt")
    out.path.write_text("made")
    return Wrote(file=out, key=told.key, read=told.read)


class Seen(Result):
    level: str
    boxed: str
    started: dict[str, str]


@function(version="1", tools=["sh"])
def peek(clip: Asset, params: Params, ctx: Context) -> Seen:
    """Looks for its pass with a tool, and with what a body starts by itself."""
    shown = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
    # What a tool's words name is for it to read: here no word is a path.
    ran = ctx.run("sh", ["-c", 'cat "/$1" || true; env', "sh", shown.removeprefix("/")])
    own = subprocess.run(["env", "-0"], capture_output=True, text=True, check=True).stdout
    variables = dict(one.partition("=")[::2] for one in own.split("\0") if one)
    hidden = ran.stdout_tail.replace(
        Path(shown).read_text(), "THE PASS"
    )  # for this test must not tell it, either
    return Seen(
        level=ran.box,
        boxed=hidden,
        started={name: value for name, value in variables.items() if name.startswith(("AWS_", "BOTO_"))},
    )


class Parted(Result):
    keys: list[str]


@function(version="1")
def maps(clip: Asset, params: Asked, ctx: Context) -> Parted:
    """Has parts of its own, whose clips are not where its own is."""
    made = ctx.scratch / "part.txt"
    made.write_text("part")
    ends = ctx.map(describe, [made, clip], reads=params.reads)
    return Parted(keys=[one.result.key for one in ends])


@function(version="1")
def fails(clip: Asset, params: Asked) -> Told:
    """Says all that it has, as authors do when they look for a mistake."""
    found = boto3.Session().get_credentials()
    text = Path(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]).as_posix()
    raise RuntimeError(f"cannot go on with {found.get_frozen_credentials().access_key}, signed in by {text}")
