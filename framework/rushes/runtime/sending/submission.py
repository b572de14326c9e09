"""From a function, its options and its clips to a batch and its invocations, with their keys.

The key is what determines the result, so that the same work is never done twice. This module must not know
who takes the invocations.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

from pydantic import BaseModel, ValidationError

from rushes import catalog
from rushes.asset import Asset
from rushes.core.money import parse_dollars
from rushes.declaration import Params, mentions
from rushes.errors import CallerError, RushesError
from rushes.function import Function
from rushes.invocation import BatchSpec, Invocation
from rushes.joint import Joint, members_of
from rushes.option_errors import bad_params
from rushes.options import Options
from rushes.runtime.outputs.destination import check_template
from rushes.runtime.sending.exclusive import Exclusive
from rushes.runtime.sending.shareable import require_shareable
from rushes.runtime.sources.fingerprint import fingerprint
from rushes.runtime.sources.inputs import Found

__all__ = ["batch_spec", "environment", "invocations", "key_of"]

MAX_PARAMS_BYTES: Final = 64 * 1024

# What a slot needs of the submitter's environment. Credentials are not among them: the environment is kept
# in the journal, so that work goes on after a crash.
_PASSED: Final = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "CONDA_PREFIX",
    "FONTCONFIG_PATH",
    "FONTCONFIG_FILE",
    "OCIO",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
]
_PASSED_PREFIXES: Final = ("LC_", "PYTHON", "RUSHES_", "CUDA_", "NVIDIA_", "FFMPEG", "LIBVA_", "OPENBLAS_")
_OF_THE_WORKER: Final = frozenset(
    {"RUSHES_CAPACITY", "RUSHES_CLASSES", "RUSHES_EVENTS", "RUSHES_IDLE", "RUSHES_PRICES", "RUSHES_TIER"}
)
"""What a worker reads when it starts: it concerns no slot, and two that differ in it can share slots."""
Look = Callable[[Asset], str]
_WITHOUT_ORDER: Final = (set, frozenset, AbstractSet, dict, Mapping)


def environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """What a slot needs to be the submitter: interpreter, variables, import path, and their digest.

    `RUSHES_PASS_ENV` names further variables, separated by commas.
    """
    named = {n.strip() for n in environ.get("RUSHES_PASS_ENV", "").split(",")} | set(_PASSED)
    variables = {
        k: v
        for k, v in sorted(environ.items())
        if k in named or (k.startswith(_PASSED_PREFIXES) and k not in _OF_THE_WORKER)
    }
    # The empty entry of `python -c` and of notebooks is the current folder: abspath makes it so.
    path = [os.path.abspath(p) for p in sys.path if not p.endswith(".zip")]  # noqa: PTH100
    how = {"executable": sys.executable, "variables": variables, "sys_path": path}
    digest = hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest()[:16]
    return {**how, "digest": digest}


def _fingerprint(asset: Asset) -> str:
    return str(fingerprint(asset))


def batch_spec(
    function: Function[Any, Any],
    options: Options,
    params: Params,
    *,
    title: str = "",
    environ: Mapping[str, str] = os.environ,
    place: Callable[[str], str] | None = None,
) -> BatchSpec:
    """What all invocations of a batch share.

    Args:
        function: that runs.
        options: how it is dispatched.
        params: what all its invocations start from.
        title: what people call it.
        environ: the submitter's.
        place: checks where outputs go; None: in a folder of this machine.

    Raises:
        CallerError: the function makes files and `out` is missing, or cannot be written; the template of
            names cannot be used; an option gives access to what it names (``signed-link``).
    """
    out = options.out
    if function.makes_outputs and out is None:
        raise CallerError(
            f"{function.name} makes files and was given no place for them.",
            code="no-out",
            fix="Give out=... (on the command line: --out DIR).",
        )
    if out is not None:
        out = (place or _local_out)(out) if function.makes_outputs else None
    if options.name is not None:
        for one, _ in members_of(function, params):
            if one.makes_outputs or one is function:
                check_template(options.name, one.params_model.model_fields)
    require_shareable(json.dumps([dict(options.tags), out, title]))
    return BatchSpec(
        function=function.ref,
        version=function.version,
        params=require_shareable(_dump(params)),
        source_digest=catalog.source_digest(function),
        out=out,
        priority=options.priority,
        show=options.show,
        deadline=options.deadline,
        tags=dict(options.tags),
        name=options.name,
        receipts=options.receipts,
        force=options.force,
        max_slots=options.slots,
        max_cost_nano=None if options.max_cost is None else parse_dollars(str(options.max_cost)),
        preemptible=function.preemptible,
        retries=function.retries,
        timeout_s=function.timeout_s,
        stall_s=function.stall_s,
        resources=function.resources.vector(),
        environment=environment(environ),
        title=title or function.name,
        settle_s=options.settle_s,
        limits={
            one.ref: one.max_concurrency
            for one, _ in members_of(function, params)
            if one.max_concurrency is not None
        },
    )


def _local_out(out: str) -> str:
    if "://" in out[:12]:
        raise CallerError(
            f"{out} is not on this machine.",
            code="not-local",
            fix="Name a folder here; or run it where that is: --engine aws:ENV, with clips that are there.",
        )
    path = Path(out).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CallerError(
            f"the output folder {out} cannot be made: {error.strerror}.",
            code="bad-out",
            fix="Choose another --out, or mend its permissions.",
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise CallerError(
            f"the output folder {out} cannot be written.",
            code="bad-out",
            fix="Choose another --out, or mend its permissions.",
        )
    return str(path)


def invocations(
    function: Function[Any, Any],
    options: Options,
    params: Params,
    found: Iterable[Found],
    look: Look = _fingerprint,
) -> Iterator[Invocation]:
    """One invocation a clip, in order, streaming; what is wrong with a clip becomes its `problem`.

    Args:
        function: that runs.
        options: how it is dispatched.
        params: what they start from.
        found: the clips.
        look: says what an asset is: its fingerprint, where it was not known when it was found.
    """
    keys = _keys_of(function, params, look)
    own_params = _OwnParams(function, params)
    exclusive = Exclusive(function, params, options.exclusive, options.show)
    after = tuple(_id_of(a) for a in options.after)
    for item in found:
        problem, frames = item.problem, item.asset.frames
        key, mark, own = "", "", None
        exclusive_keys: tuple[str, ...] = ()
        if problem is None:
            try:
                if frames is not None:
                    function.require_ranges()
                its_params, text = own_params.of(item.params)
                own = text if text is None else require_shareable(text)
                mark, tail = keys.marks(item.asset, item.mark)
                key = keys.key(tail, own, its_params)
                exclusive_keys = exclusive.keys(item.asset, its_params)
            except RushesError as error:
                problem = error.to_dict()
        yield Invocation(
            item.asset.uri,
            key,
            (frames.start, frames.stop) if frames else None,
            own,
            item.subdir,
            item.tag,
            after,
            options.on_failure,
            problem,
            mark,
            exclusive_keys,
            item.size_bytes,
        )


def key_of(function: Function[Any, Any], source: Asset, params: Params) -> tuple[str, str]:
    """The key of one invocation, and its source's fingerprint."""
    keys = _keys_of(function, params, _fingerprint)
    mark, tail = keys.marks(source, "")
    return keys.key(tail, None, params), mark


def _keys_of(function: Function[Any, Any], params: Params, look: Look) -> _Keys | _JointKeys:
    return (_JointKeys if isinstance(function, Joint) else _Keys)(function, params, look)


class _Keys:
    """Keys of one batch: what they share is hashed once."""

    def __init__(self, function: Any, params: Params, look: Look) -> None:
        self._look = look
        shared = [
            function.name if function.path else function.ref,
            function.version,
            catalog.source_digest(function),
            str(function.resources.encoder),
            _ffmpeg_major() if function.makes_outputs else 0,
        ]
        self._base = hashlib.sha256(json.dumps(shared).encode())
        self._reads_name = function.reads_name
        self._plain = not any(mentions(function.params_model, kind) for kind in (Asset, *_WITHOUT_ORDER))
        self._shared_params = self._canonical(params, _dump(params))
        self.marks = lru_cache(maxsize=256)(self._marks)
        """Of an asset: its fingerprint, and what it adds to a key. The last few assets are remembered."""

    def _marks(self, asset: Asset, known: str) -> tuple[str, bytes]:
        mark = known or self._look(asset)
        name = asset.name if self._reads_name else ""
        return mark, f"\0{mark}\0{asset.frames}\0{name}".encode(errors="surrogateescape")

    def key(self, tail: Any, own: str | None, params: Params) -> str:
        text = self._shared_params if own is None else self._canonical(params, own)
        digest = self._base.copy()
        digest.update(text.encode() + tail)
        return digest.hexdigest()[:32]

    def _canonical(self, params: Params, text: str) -> str:
        """The params as JSON, assets replaced by their fingerprints, sets and mappings in one order."""
        if self._plain:
            return text
        return json.dumps(_fingerprinted(params, self._look), sort_keys=True)


class _JointKeys:
    """Keys of functions that run together: what each is alone, one after the other."""

    def __init__(self, function: Any, params: Params, look: Look) -> None:
        self._members = [(one.name, _Keys(one, its, look)) for one, its in members_of(function, params)]

    def marks(self, asset: Asset, known: str) -> tuple[str, list[bytes]]:
        found = [keys.marks(asset, known) for _, keys in self._members]
        return found[0][0], [tail for _, tail in found]

    def key(self, tails: Any, own: str | None, params: Params) -> str:
        its = [(keys, getattr(params, name)) for name, keys in self._members]
        return "".join(
            keys.key(tail, None if own is None else _dump(one), one)
            for (keys, one), tail in zip(its, tails, strict=True)
        )


def _fingerprinted(value: Any, look: Look) -> Any:
    if isinstance(value, Asset):
        return f"asset:{look(value)}:{value.frames}"
    if isinstance(value, BaseModel):
        # What is required is missing where each invocation is to bring its own.
        names = [name for name in type(value).model_fields if hasattr(value, name)]
        return {name: _fingerprinted(getattr(value, name), look) for name in names}
    if isinstance(value, Mapping):
        return {str(k): _fingerprinted(v, look) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_fingerprinted(v, look) for v in value]
    if isinstance(value, AbstractSet):  # each process iterates a set of words in an order of its own
        return sorted((_fingerprinted(v, look) for v in value), key=json.dumps)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


class _OwnParams:
    """The options of single invocations, upon those that the batch shares."""

    def __init__(self, function: Function[Any, Any], shared: Params) -> None:
        self._function = function
        self._shared = shared
        self._values = shared.model_dump()

    def of(self, own: Mapping[str, Any] | Params | None) -> tuple[Params, str | None]:
        """The validated options, and their canonical JSON where they are the invocation's own.

        Raises:
            CallerError: an option is wrong, or they are too large to be carried.
        """
        if own is None:
            return self._shared, None
        params = own if isinstance(own, Params) else self._validated(own)
        text = _dump(params)
        if len(text) > MAX_PARAMS_BYTES:
            raise CallerError(
                f"the options of one invocation take {len(text)} bytes; at most {MAX_PARAMS_BYTES} are "
                "carried.",
                code="too-big",
                fix="Put the data into a file and name it by an Asset option.",
            )
        return params, text

    def _validated(self, own: Mapping[str, Any]) -> Params:
        model = self._function.params_model
        try:
            return cast("Params", model.model_validate({**self._values, **own}))
        except ValidationError as problem:
            raise bad_params(self._function.name, model, problem) from problem


def _dump(params: Params) -> str:
    return params.model_dump_json()


def _ffmpeg_major() -> int:
    """The encoding build's major version; outputs of another are other results."""
    builds = import_module("rushes.media.running.builds")
    return int(builds.find_build("software", os.environ).major)


def _id_of(after: Any) -> str:
    return after if isinstance(after, str) else str(after.id)
