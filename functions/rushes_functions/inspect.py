"""Inspect: what a clip is, in one documented shape, without decoding or reading all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import ConfigDict, Field

from rushes import Asset, Context, Params, Resources, Result, function
from rushes.media.describing.schema import MediaInfo

__all__ = ["FORMATS", "InspectParams", "InspectResult", "inspect", "render"]

FORMATS = ("table", "json", "csv", "ale")
"""What `render` can write, the default first."""


class InspectParams(Params):
    """Options of `inspect`."""

    # Built when a clip is inspected: whoever only imports the handler, or submits, validates nothing.
    model_config = ConfigDict(defer_build=True)

    count_frames: bool = Field(
        default=False,
        description="Read all packets: true frame counts, variable rates for certain, timestamps that jump.",
    )
    checksum: Literal["sha256", "sha1", "md5", "blake2b"] | None = Field(
        None, description="Also digest all bytes of the clip."
    )
    deep: bool = Field(
        default=False,
        description="Also decode the first frame, with PyAV and with ffmpeg, and say where they disagree.",
    )


def _of_headers(params: InspectParams) -> bool:
    return not (params.count_frames or params.checksum or params.deep)


class InspectResult(Result):
    """What `inspect` found out."""

    model_config = ConfigDict(defer_build=True)

    media: MediaInfo = Field(description="The description of the clip.")

    def model_dump_json(self, **options: Any) -> str:
        """The result as JSON, without what the clip does not state: an absent field is None."""
        options.setdefault("exclude_none", True)
        return super().model_dump_json(**options)


@function(
    version="1",
    resources=Resources(cpu=1, memory="1GiB"),
    retries=2,
    owner="rushes",
    headers_only=_of_headers,
)
def inspect(clip: Asset, params: InspectParams, ctx: Context) -> InspectResult:
    """Describe a clip: container, picture, sound, colour, timecode, reel, camera, and what looks wrong.

    Reads headers only, unless asked for more: a file of any size takes a moment.
    """
    from rushes.media.describing.inspection import describe  # noqa: PLC0415 - whoever submits does not need it

    media = describe(clip, count_frames=params.count_frames, checksum=params.checksum, deep=params.deep)
    if media.warnings:
        from rushes.media.describing.doubts import doubts  # noqa: PLC0415 - most clips are well

        for doubt in doubts(media):
            ctx.warn(doubt)
    return InspectResult(media=media)


def render(
    results: Sequence[Mapping[str, Any] | None],
    format: str,  # noqa: A002 - as the option is called
    *,
    first: bool = True,
    clips: Sequence[str] = (),
) -> str:
    """Results as text: ``table``, ``json`` (one object a line), ``csv`` or ``ale``.

    Args:
        results: the data of some `InspectResult`, in order; None is passed over.
        format: one of `FORMATS`.
        first: False when headers have been written before.
        clips: where the clip of each result is; cameras name the clips of every card alike.
    """
    import json  # noqa: PLC0415 - who inspects on another machine renders nothing

    data = [result["media"] for result in results if result]
    paths = [path for path, result in zip(clips, results, strict=True) if result] if clips else []
    if format == "json":
        return "".join(f"{json.dumps(media, ensure_ascii=True)}\n" for media in data)
    infos = [MediaInfo.model_validate(media) for media in data]
    if not infos:
        return ""
    if format == "csv":
        from rushes.media.describing.report import as_csv  # noqa: PLC0415 - one of four

        return as_csv(infos, paths, header=first)
    if format == "ale":
        from rushes.media.describing.ale import as_ale  # noqa: PLC0415 - one of four

        return as_ale(infos, header=first)
    from rushes.media.describing.report import as_text  # noqa: PLC0415 - one of four

    return as_text(infos, paths, **_terminal())


def _terminal() -> dict[str, Any]:
    import os  # noqa: PLC0415 - as in `render`
    import shutil  # noqa: PLC0415
    import sys  # noqa: PLC0415

    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return {"width": shutil.get_terminal_size((120, 24)).columns, "colour": colour}
