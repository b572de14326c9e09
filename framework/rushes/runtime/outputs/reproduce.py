"""Repeat a result from its receipt, and compare.

The function runs again by a direct call, into a folder of its own; nothing that exists is touched. This
module must not know how a function is run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rushes import catalog
from rushes.asset import Asset
from rushes.errors import CallerError, MediaError
from rushes.function import Function
from rushes.runtime.files import shown
from rushes.runtime.outputs.receipt import FfmpegBuild, Receipt
from rushes.runtime.ownership import receipt_name
from rushes.runtime.sources.source import recheck_source
from rushes.temporary import temporary_folder

__all__ = ["Comparison", "reproduce"]

# A result may tell how long its making took; that is a measurement, not a result.
_MEASURED: Final = frozenset({"seconds", "elapsed_s", "wall_s", "cpu_s", "speed", "rate"})


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of repeating a result.

    Args:
        identical: every output has the SHA-256 that the receipt names, and the result is equal.
        function: what was run, ``name@version``.
        outputs: for each output, whether its bytes are the same.
        result: whether the result model's data is the same, its measurements left out; None when the
            receipt holds no result.
        differences: one sentence for each difference.
        notes: what is not as it was (build, version, host) without being a difference of the result.
        folder: where the repeated outputs are, when they were kept.
    """

    identical: bool
    function: str
    outputs: dict[str, bool] = field(default_factory=dict)
    result: bool | None = None
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    folder: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON-able data."""
        return {
            "identical": self.identical,
            "function": self.function,
            "outputs": self.outputs,
            "result": self.result,
            "differences": list(self.differences),
            "notes": list(self.notes),
            "folder": None if self.folder is None else str(self.folder),
        }


def reproduce(receipt_path: str | os.PathLike[str], *, into: Path | None = None) -> Comparison:
    """Run what a receipt describes once more and compare outputs and result.

    Args:
        receipt_path: the receipt, or the output that it lies beside.
        into: an empty folder that keeps the repeated outputs; by default they are removed.

    Raises:
        CallerError: no receipt, the function is not installed, or has another version.
        MediaError: the source has changed since (``source-changed``).
    """
    receipt = Receipt.read(_receipt_at(Path(receipt_path)))
    function = _function_of(receipt)
    source = Asset.of(receipt.source.uri)
    if receipt.source.frames is not None:
        source = source.with_frames(*receipt.source.frames)
    if receipt.source.fingerprint:
        try:
            recheck_source(source, receipt.source.fingerprint)
        except MediaError as error:
            raise MediaError(
                f"{shown(receipt.source.uri)} is not what it was when the receipt was written.",
                code="source-changed",
                fix="Bring the original back to that place; a copy needs the same time of change (cp -p).",
            ) from error
    if into is not None:
        if into.exists() and any(into.iterdir()):
            raise CallerError(
                f"{shown(into)} is not empty.", code="target-exists", fix="Name another folder."
            )
        return _compared(receipt, function, source, into, keep=True)
    with temporary_folder("reproduce") as folder:
        return _compared(receipt, function, source, folder, keep=False)


def _receipt_at(path: Path) -> Path:
    beside = path.with_name(receipt_name(path.name))
    return beside if beside.is_file() else path


def _function_of(receipt: Receipt) -> Function[Any, Any]:
    try:
        function = catalog.find(receipt.ref)
    except CallerError:
        function = catalog.find(receipt.function)
    if function.version != receipt.version:
        raise CallerError(
            f"the receipt is of {receipt.function}@{receipt.version}; installed is {function.version}.",
            code="other-version",
            fix=f"Install the version of {receipt.function} that made it.",
        )
    return function


def _compared(
    receipt: Receipt, function: Function[Any, Any], source: Asset, folder: Path, *, keep: bool
) -> Comparison:
    out = str(folder) if receipt.outputs else None
    options = function.with_options(receipts="beside", name=None)
    result = options(source, function.params(None, **receipt.params), out=out)
    again = _receipts_below(folder)
    differences: list[str] = []
    outputs = {}
    for old in receipt.outputs:
        new = again.get(old.name)
        found = None if new is None else next(o for o in new.outputs if o.name == old.name)
        outputs[old.name] = found is not None and found.sha256 == old.sha256
        if found is None:
            differences.append(f"{shown(old.name)} was not made again")
        elif not outputs[old.name]:
            differences.append(
                f"{shown(old.name)} has other bytes: {found.size_bytes} of them instead of {old.size_bytes}, "
                f"sha256 {found.sha256[:12]}… instead of {old.sha256[:12]}…"
            )
    differences += [f"{shown(name)} was not made before" for name in sorted(set(again) - set(outputs))]
    same: bool | None = None
    if receipt.result is not None:
        before = _placeless(receipt.result, {o.path: o.name for o in receipt.outputs})
        data = result.model_dump(mode="json")
        after = _placeless(data, {o.path: o.name for r in again.values() for o in r.outputs})
        unlike = list(_unlike(before, after, "result"))
        same = not unlike
        differences += unlike
    return Comparison(
        not differences,
        f"{receipt.function}@{receipt.version}",
        outputs,
        same,
        tuple(differences),
        tuple(_notes(receipt, function, again)),
        folder if keep else None,
    )


def _receipts_below(folder: Path) -> dict[str, Receipt]:
    """The receipts of a run, by the names of the outputs that they describe."""
    found: dict[str, Receipt] = {}
    for path in sorted(folder.rglob("*.rushes.json")):
        receipt = Receipt.read(path)
        found.update({output.name: receipt for output in receipt.outputs})
    return found


def _notes(receipt: Receipt, function: Function[Any, Any], again: Mapping[str, Receipt]) -> Iterator[str]:
    digest = catalog.source_digest(function)
    if digest != receipt.source_digest:
        yield f"the source of {receipt.function} is not the one that made the receipt"
    build = next((r.ffmpeg for r in again.values() if r.ffmpeg is not None), None)
    old = receipt.ffmpeg or FfmpegBuild()
    if build is not None and (build.version, build.configuration) != (old.version, old.configuration):
        yield f"ffmpeg is {build.version}; the receipt's was {old.version or 'not recorded'}"
    encoder = next((r.encoder for r in again.values() if r.encoder is not None), None)
    if encoder is not None and encoder != receipt.encoder:
        yield f"the encoder was {encoder}; the receipt's was {receipt.encoder}"


def _placeless(value: Any, names: Mapping[str, str]) -> Any:
    """The data with the paths of outputs replaced by their names, and without measurements."""
    if isinstance(value, dict):
        return {k: _placeless(v, names) for k, v in value.items() if k not in _MEASURED}
    if isinstance(value, list | tuple):
        return [_placeless(v, names) for v in value]
    return names.get(value, value) if isinstance(value, str) else value


def _unlike(before: Any, after: Any, where: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            # Within a schema version fields are only added, each with a default: one that is missing on
            # one side is a newer field, not a difference.
            if key in before and key in after:
                yield from _unlike(before[key], after[key], f"{where}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _unlike(one, other, f"{where}[{number}]")
    elif before != after:
        yield f"{where} is {after!r} instead of {before!r}"
