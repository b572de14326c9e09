"""Where outputs go: the final name of each, and the scratch folder on the same file system.

This module decides names; it publishes nothing.
"""

# ruff: noqa: PTH100, PTH118 - names stay as given

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Any, Final

from rushes.asset import Asset
from rushes.errors import CallerError, RushesError
from rushes.runtime.files import shown
from rushes.runtime.ownership import SCRATCH, is_receipt_name, read_receipt, receipt_paths
from rushes.runtime.sources.places import short_hash

__all__ = ["Destination", "check_template", "template_fields"]

_NAME_BYTES: Final = 255  # what a file system takes for one name
_NUMBER: Final = re.compile("[0-9]+")
_FIELDS: Final = ("stem", "output", "ext", "function", "name", "parent")


class Destination:
    """The place of one invocation's outputs.

    Args:
        out: folder that was asked for, or None.
        subdir: folder below it that mirrors the tree below INPUT.
        tag: ``~ab12`` when another input of the batch makes the same name, else "".
        template: ``--name``, e.g. ``{stem}_{height}p{ext}``; None keeps the function's own names.
        receipts: ``beside``, ``none``, or a folder.
        source_uri: the clip's URI.
        params: the options, whose fields the template may use.
        function: the function's name.
    """

    def __init__(
        self,
        out: str | None,
        *,
        subdir: str = "",
        tag: str = "",
        template: str | None = None,
        receipts: str = "beside",
        source_uri: str = "",
        params: Mapping[str, Any] | None = None,
        function: str = "",
    ) -> None:
        self.out = None if out is None else os.path.abspath(out)
        self.subdir = subdir
        self.tag = tag
        self.template = template
        self.receipts = receipts
        self.source_uri = source_uri
        self.params = dict(params or {})
        self.function = function
        self._resolved: dict[str, Path] = {}

    @property
    def folder(self) -> Path:
        """The folder that outputs go to, `subdir` included.

        Raises:
            CallerError: no ``out`` was given.
        """
        if self.out is None:
            raise CallerError(
                f"{self.function or 'the function'} makes a file and was given no place for it.",
                code="no-out",
                fix="Give out=... (on the command line: --out DIR).",
            )
        return Path(_inside(self.out, self.subdir)) if self.subdir else Path(self.out)

    @property
    def receipts_folder(self) -> Path | None:
        """The folder of choice for receipts, mirrored as the outputs are; None for beside, or none at all."""
        if self.receipts in {"beside", "none"}:
            return None
        return Path(os.path.join(os.path.abspath(self.receipts), self.subdir))

    def resolve(self, name: str) -> Path:
        """The final path of the output that a function calls `name`, stable over runs.

        A name that an earlier run gave to this very source stays its own. A name that belongs to another
        source which still exists is left to it, and this one gets a short hash.

        Raises:
            CallerError: the name leaves the output folder, or the template cannot be filled in.
        """
        if name not in self._resolved:
            path = self._resolve(name)
            twin = next((n for n, p in self._resolved.items() if p == path), None)
            if twin is not None:
                raise CallerError(
                    f"the outputs {twin!r} and {name!r} would both be called {shown(path.name)}.",
                    code="bad-name",
                    fix="Put {output} into the --name template: it is the function's own name for each.",
                )
            self._resolved[name] = path
        return self._resolved[name]

    def scratch_root(self) -> Path:
        """``.rushes-scratch`` in the topmost folder of the destination that shares its file system."""
        folder = self.folder
        root = Path(self.out or folder)
        while root != folder:
            existing = _nearest(folder)
            if not root.exists() or root.stat().st_dev == existing.stat().st_dev:
                break
            root = root / folder.relative_to(root).parts[0]
        return root / SCRATCH

    def _resolve(self, name: str) -> Path:
        folder = self.folder
        relative = _checked(name)
        if self.template is not None:
            relative = _checked(self._filled(relative))
        plain = Path(_inside(str(folder), relative))
        if len(os.fsencode(plain.name)) + len(self.tag) > _NAME_BYTES:
            raise CallerError(
                f"the output name {shown(plain.name)} is longer than {_NAME_BYTES} bytes.",
                code="name-too-long",
                fix="Use --name with a shorter template.",
            )
        if not self.tag and not plain.parent.exists():
            return plain
        holder = self._holder(plain)
        # With a tag there may be two results of one clip, and only the options tell whose the plain name is.
        if holder == self.source_uri and (not self.tag or self._options_at(plain) == self.params):
            return plain
        if self.tag:
            return _tagged(plain, self.tag)
        seed = os.fsencode(self.source_uri)
        for digits in (4, 8, 16, 32):
            if holder is None or not _exists(holder):
                return plain
            path = _tagged(plain, short_hash(seed, digits))
            holder = self._holder(path)
            if holder is None or holder == self.source_uri:
                return path
        return path

    def _holder(self, target: Path) -> str | None:
        """The source that the output at `target` was made of, as its receipt says; None when none says."""
        source = self._receipt_at(target).get("source")
        return str(source["uri"]) if source else None

    def _options_at(self, target: Path) -> Any:
        return self._receipt_at(target).get("params")

    def _receipt_at(self, target: Path) -> Mapping[str, Any]:
        """The receipt of an output that exists; empty when there is none that names a source."""
        for path in receipt_paths(target, self.receipts_folder):
            receipt = read_receipt(path)
            source = receipt.get("source") if receipt is not None and os.path.lexists(target) else None
            if receipt is not None and isinstance(source, dict) and isinstance(source.get("uri"), str):
                return receipt
        return {}

    def _filled(self, name: str) -> str:
        assert self.template is not None  # noqa: S101 - the one caller has looked
        source = Asset(self.source_uri)
        stem, ext = os.path.splitext(name.rpartition("/")[2])  # noqa: PTH122
        values = {
            **self.params,
            "stem": source.stem,
            "output": stem,
            "ext": ext,
            "function": self.function,
            "name": source.name,
            "parent": source.uri.rpartition("/")[0].rpartition("/")[2],
        }
        made = []
        parts = _parsed(self.template)
        for literal, field, spec, conversion in parts:
            made.append(literal)
            if field is None:
                continue
            _check_field(self.template, field, conversion, values)
            made.append(_as_text(self.template, field, values[field], spec or ""))
        if ext and not any("." in literal or field in {"ext", "name"} for literal, field, _, _ in parts):
            # No player and no editing system would know what it is.
            raise _bad_template(
                self.template, f"it leaves {ext!r} out", f"Write {self.template + '{ext}'!r}."
            )
        return "".join(made)


def template_fields(params: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields that a ``--name`` template may use with these options."""
    return (*_FIELDS, *(name for name in params if name not in _FIELDS))


def check_template(template: str, params: Mapping[str, Any]) -> None:
    """Refuse a ``--name`` template before anything runs.

    Raises:
        CallerError: it cannot be read, or names an unknown field.
    """
    fields = template_fields(params)
    for _, field, spec, conversion in _parsed(template):
        if field is not None:
            _check_field(template, field, conversion, fields)
            _check_spec(template, spec or "")


def _parsed(template: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(Formatter().parse(template))
    except ValueError as error:
        raise _bad_template(template, f"{error}", "Write {{ and }} for braces that are meant.") from error


def _check_field(template: str, field: str, conversion: str | None, known: Any) -> None:
    if field not in known or conversion:
        shown_field = field + (f"!{conversion}" if conversion else "")
        raise _bad_template(template, f"it has no field {shown_field!r}", f"Fields: {', '.join(known)}.")


def _check_spec(template: str, spec: str) -> None:
    """A width is all that stands between a template and a name of a gigabyte."""
    if any(
        len(digits) > len(str(_NAME_BYTES)) or int(digits) > _NAME_BYTES for digits in _NUMBER.findall(spec)
    ):
        why = f"{spec!r} makes it longer than any name"
        raise _bad_template(template, why, f"A name holds {_NAME_BYTES} bytes.")


def _as_text(template: str, field: str, value: Any, spec: str) -> str:
    if value is None:
        why = f"{field} was given no value"
        raise _bad_template(template, why, f"Give {field}, or leave {{{field}}} out.")
    try:
        text = format(value, spec)
    except (ValueError, TypeError) as error:
        why = f"{field}={value!r} cannot be written as {spec!r}: {error}"
        raise _bad_template(template, why, "Leave the format out.") from error
    # A value is one part of a name: a path in an option must not make folders.
    return text.replace("/", "_").replace("\0", "_")


def _bad_template(template: str, why: str, fix: str) -> CallerError:
    return CallerError(f"the name template {template!r} cannot be used: {why}.", code="bad-name", fix=fix)


def _checked(name: str) -> str:
    """A relative name that stays in its folder, or an error that says what is wrong with it."""
    parts = name.split("/")
    wrong = ""
    if not name or name.startswith("/") or "\0" in name:
        wrong = "it is empty or absolute"
    elif any(part in {"", ".", ".."} for part in parts):
        wrong = "it leaves its folder or has an empty part"
    elif parts[0] == SCRATCH or is_receipt_name(name):
        wrong = "that name is kept for Rushes itself"
    if wrong:
        raise CallerError(
            f"the output name {shown(name)!r} cannot be used: {wrong}.",
            code="bad-name",
            fix="Use a relative name such as A001.mp4.",
        )
    return name


def _inside(folder: str, relative: str) -> str:
    path = os.path.normpath(os.path.join(folder, relative))
    if os.path.commonpath([folder, path]) != folder:
        raise CallerError(
            f"{shown(relative)!r} leaves the output folder.",
            code="bad-name",
            fix="Use a relative name without `..`, in the function and in --name.",
        )
    return path


def _tagged(path: Path, tag: str) -> Path:
    return path.with_name(f"{path.stem}{tag}{path.suffix}")


def _exists(uri: str) -> bool:
    asset = Asset(uri)
    try:
        sequence = asset.sequence
        path = asset.path if sequence is None else sequence.path(sequence.first)
    except RushesError:  # remote: it cannot be looked at from here, so it is left its name
        return True
    return os.path.lexists(path)


def _nearest(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
