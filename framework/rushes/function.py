"""The decorator: a plain function over one clip becomes an object that runs here, or on thousands.

Everything that can be refused is refused at import, naming the function, the value, what was expected and
the fix. This module touches no global, starts nothing, and must not know how an engine works: it names one
(`local` by default) and hands over.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property, update_wrapper
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast, overload

from pydantic import ValidationError

from rushes.asset import Asset, AssetLike, Output
from rushes.context import Context
from rushes.declaration import (
    RESERVED,
    Declared,
    NoParams,
    Params,
    Resources,
    Result,
    Signature,
    check_declared,
    mentions,
    signature_of,
)
from rushes.errors import CallerError
from rushes.options import Options

if TYPE_CHECKING:
    from rushes.batch import Batch, Handle, RunnableEngine
    from rushes.triggers import Trigger

__all__ = [
    "RESERVED",
    "Bound",
    "Function",
    "NoParams",
    "Options",
    "Params",
    "Resources",
    "Result",
    "function",
]

P = TypeVar("P", bound="Params")
R = TypeVar("R", bound="Result")


class Function(Generic[P, R]):
    """A named, versioned, stateless unit of media work that is still an ordinary callable.

    ``f(clip)`` runs here and now and returns the result; ``f.map(clips)`` runs on an engine.
    """

    def __init__(self, body: Callable[..., R], declared: Declared, signature: Signature) -> None:
        self._body = body
        self._declared = declared
        self._signature = signature
        self.options = Options()
        self.name = body.__name__
        self.ref = f"{body.__module__}:{body.__qualname__}"
        """How a slot finds it; the catalogue replaces it for a function loaded by path."""
        self.path: str | None = None
        """The file that it was loaded from by path, else None."""
        update_wrapper(self, body)

    # -- what it declares -------------------------------------------------------------------------------

    @property
    def version(self) -> str:
        return self._declared.version

    @property
    def resources(self) -> Resources:
        return self._declared.resources

    @property
    def retries(self) -> int:
        return self._declared.retries

    @property
    def owner(self) -> str:
        return self._declared.owner

    @property
    def tools(self) -> tuple[str, ...]:
        return self._declared.tools

    @property
    def timeout_s(self) -> float | None:
        return self._declared.timeout_s

    @property
    def stall_s(self) -> float:
        return self._declared.stall_s

    @property
    def preemptible(self) -> bool:
        return self._declared.preemptible

    @property
    def max_concurrency(self) -> int | None:
        return self._declared.max_concurrency

    @property
    def exclusive(self) -> str:
        return self._declared.exclusive

    @property
    def reads_name(self) -> bool:
        return self._declared.reads_name

    @property
    def frame_ranges(self) -> bool:
        return self._declared.frame_ranges

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        return self._declared.triggers

    def require_ranges(self) -> None:
        """Refuse a frame range, before anything is sent or run, where the function is of whole clips.

        Raises:
            CallerError: it is.
        """
        if not self.frame_ranges:
            raise CallerError(
                f"{self.name} is of whole clips: it takes no frame range.",
                code="bad-range",
                fix="Leave the range out (on the command line: --frames).",
            )

    @property
    def params_model(self) -> type[P]:
        return cast("type[P]", self._signature.params)

    @property
    def result_model(self) -> type[R]:
        return cast("type[R]", self._signature.result)

    @cached_property
    def makes_outputs(self) -> bool:
        """True when the result names files, so that an ``out`` is needed."""
        return mentions(self._signature.result, Output)

    @property
    def describes(self) -> bool:
        """Whether the body, with some options at least, does no more than describe its clip."""
        return bool(self._declared.headers_only)

    def needs_headers_alone(self, params: P) -> bool:
        """Whether the body, with these options, does no more than describe its clip."""
        said = self._declared.headers_only
        return said(params) if callable(said) else said

    # -- here and now -----------------------------------------------------------------------------------

    def __call__(
        self,
        source: AssetLike,
        params: P | None = None,
        *,
        out: str | os.PathLike[str] | None = None,
        **overrides: Any,
    ) -> R:
        """Run here and now, in this process, and return the result.

        Args:
            source: a path, a URI or an `Asset`.
            params: the options.
            out: folder of the outputs; must be given when the function makes any.
            overrides: options that differ from `params`.

        Raises:
            CallerError: the source or an option is wrong.
            MediaError: the media is at fault.
            PlatformError: this machine is at fault.
        """
        options = replace(self.options, out=os.fspath(out)) if out is not None else self.options
        engine = _engine("local")
        return cast("R", engine.call(self, Asset.of(source), self.params(params, **overrides), options))

    def params(self, params: P | None = None, /, **overrides: Any) -> P:
        """The validated options: `params`, or the defaults, with `overrides`.

        Raises:
            CallerError: an option is unknown or its value is refused; names it and what was expected.
        """
        model = self.params_model
        if params is not None and not overrides:
            return params
        values = {**(params.model_dump() if params is not None else {}), **overrides}
        try:
            return model.model_validate(values)
        except ValidationError as problem:
            from rushes.option_errors import bad_params  # noqa: PLC0415 - most options are right

            raise bad_params(self.name, model, problem) from problem

    def shared_params(self, **shared: Any) -> P:
        """What items with options of their own start from; some may have to bring all that is required.

        Raises:
            CallerError: as `params`.
        """
        if shared:
            return self.params(None, **shared)
        try:
            return self.params_model()
        except ValidationError:
            return cast("P", self.params_model.model_construct())

    def invoke(self, source: Asset, params: Params, context: Context) -> R:
        """Call the author's body with the arguments that it declared; used by the runtime."""
        given = {"params": params, "context": context}
        return self._body(source, *(given[part] for part in self._signature.order))

    # -- on an engine -----------------------------------------------------------------------------------

    def with_options(self, **options: Any) -> Function[P, R]:
        """The same function with other dispatch options.

        Args:
            options: out, priority, show, deadline, tags, name, receipts, force, slots, exclusive, engine,
                after, on_failure, settle_s, max_cost.

        Raises:
            CallerError: no such option.
        """
        known = {f.name for f in fields(Options)}
        for name in options:
            if name not in known:
                raise CallerError(
                    f"{self.name}.with_options has no option {name!r}.",
                    code="unknown-option",
                    fix=f"Options: {', '.join(sorted(known))}.",
                )
        if isinstance(options.get("out"), os.PathLike):
            options["out"] = os.fspath(options["out"])
        if "after" in options:
            after = options["after"]
            options["after"] = tuple(after) if isinstance(after, list | tuple) else (after,)
        other = copy(self)
        other.options = replace(self.options, **options)
        return other

    def map(self, sources: Iterable[AssetLike], params: P | None = None, **overrides: Any) -> Batch[R]:
        """Submit one invocation a source, streaming, and return the batch.

        Raises:
            CallerError: an option is wrong, or the function cannot be found by a slot.
        """
        return self._launch(((Asset.of(s), None) for s in sources), self.params(params, **overrides))

    def starmap(self, items: Iterable[tuple[AssetLike, P | Mapping[str, Any]]], **shared: Any) -> Batch[R]:
        """Submit one invocation a pair of a source and its own options."""
        pairs = ((Asset.of(source), own) for source, own in items)
        return self._launch(pairs, self.shared_params(**shared))

    def spawn(self, source: AssetLike, params: P | None = None, **overrides: Any) -> Handle[R]:
        """Submit one invocation and return a handle on it."""
        from rushes.batch import Handle  # noqa: PLC0415 - as in `_engine`

        return Handle(self.map([source], params, **overrides))

    def remote(self, source: AssetLike, params: P | None = None, **overrides: Any) -> R:
        """Submit one invocation, wait for it and return its result.

        Raises:
            RushesError: the invocation failed.
        """
        return self.spawn(source, params, **overrides).result()

    def bind(self, source: AssetLike, params: P | None = None, **overrides: Any) -> Bound[P, R]:
        """An invocation of this function that has not been sent."""
        return Bound(self, Asset.of(source), self.params(params, **overrides))

    def quote(self, sources: Iterable[AssetLike], params: P | None = None, **overrides: Any) -> Any:
        """What `map` of the same would take: a `rushes.runtime.sending.quoting.BatchQuote`. Nothing is sent.

        With a ``deadline`` among its dispatch options it finds the fewest and cheapest slots that keep to it,
        or says why there are none.

        Raises:
            CallerError: an option is wrong, or the engine gives no quotes (``no-quote``).
        """
        from rushes.keepers import Quoter  # noqa: PLC0415 - few ask

        engine = _engine(self.options.engine)
        if not isinstance(engine, Quoter):
            raise CallerError(
                f"the engine {self.options.engine} gives no quotes.",
                code="no-quote",
                fix=f"Ask the local one: {self.name}.with_options(engine='local').",
            )
        deadline = self.options.deadline
        return engine.quote(
            self,
            self.options,
            ((Asset.of(source), None) for source in sources),
            self.params(params, **overrides),
            within_s=None if deadline is None else max(deadline - time.time(), 0.0),
        )

    @cached_property
    def lambda_handler(self) -> Callable[[Any, Any], Any]:
        """What AWS Lambda calls for this function: with messages of SQS, events of S3, or directly."""

        @cache
        def made() -> Callable[[Any, Any], Any]:  # at the first event: the function comes alone
            first_call = import_module("rushes.engines.aws.called.first_call")
            return cast("Callable[[Any, Any], Any]", first_call.handler_of(self))

        def handle(event: Any, context: Any) -> Any:
            return made()(event, context)

        return handle

    def _launch(
        self, items: Iterable[tuple[Asset, Mapping[str, Any] | Params | None]], params: P
    ) -> Batch[R]:
        if self.ref.startswith("__main__:") and self.path is None:
            raise CallerError(
                f"{self.name} lives in __main__, where a slot cannot find it.",
                code="main-function",
                fix=f"Move it to a module and import it, or run `rushes run ./FILE.py:{self.name}`.",
            )
        engine = _engine(self.options.engine)
        batch, total = engine.launch(self, self.options, items, params)
        from rushes.batch import Batch  # noqa: PLC0415 - as in `_engine`

        return Batch(engine, batch, self.result_model, total)

    def __repr__(self) -> str:
        return f"<function {self.name}@{self.version} of {self.ref}>"


@dataclass(frozen=True, slots=True)
class Bound(Generic[P, R]):
    """An invocation that has not been sent: a function, its source and its validated options."""

    function: Function[P, R]
    source: Asset
    params: P

    def spawn(self) -> Handle[R]:
        return self.function.spawn(self.source, self.params)

    def __call__(self) -> R:
        return self.function(self.source, self.params)


def _engine(name: str) -> RunnableEngine:
    """The engine of a name; batches and engines are imported by who sends or runs, not by who declares."""
    from rushes.batch import load_engine  # noqa: PLC0415 - as said

    return load_engine(name)


class _Decorator(Protocol):
    @overload
    def __call__(self, body: Callable[[Asset, P, Context], R], /) -> Function[P, R]: ...
    @overload
    def __call__(self, body: Callable[[Asset, P], R], /) -> Function[P, R]: ...
    @overload
    def __call__(self, body: Callable[[Asset, Context], R], /) -> Function[NoParams, R]: ...
    @overload
    def __call__(self, body: Callable[[Asset], R], /) -> Function[NoParams, R]: ...


def function(
    *misused: Any,
    version: str = "",
    resources: Resources | None = None,
    retries: int = 2,
    owner: str = "",
    tools: Sequence[str] = (),
    timeout_s: float | None = None,
    stall_s: float = 120.0,
    preemptible: bool = True,
    reads_name: bool = True,
    frame_ranges: bool = True,
    headers_only: bool | Callable[[Any], bool] = False,
    max_concurrency: int | None = None,
    exclusive: str = "",
    triggers: Sequence[Trigger] = (),
) -> _Decorator:
    """Package a function over one clip: ``(clip: Asset, params: MyParams, ctx: Context) -> MyResult``.

    `params` and `ctx` may be left out. The name of the body is the name of the function.

    Args:
        misused: nothing may stand here; it catches ``@function`` without brackets.
        version: raised by the author whenever the same inputs would give another result.
        resources: what one attempt needs.
        retries: further tries when the platform is at fault.
        owner: the team that answers for it.
        tools: executables that the body runs with ``ctx.run``.
        timeout_s: limit of one attempt in seconds; None: none beside `stall_s`.
        stall_s: seconds without progress after which an attempt is stopped.
        preemptible: False exempts it from displacement.
        reads_name: False when the result does not depend on the source's name, so that a renamed copy
            counts as known.
        max_concurrency: so many invocations of it run at once at most, on the whole pool, whatever batches
            they are of; None for no limit.
        exclusive: a template of a key of which no two invocations run at a time, also of other functions:
            ``"{database}"``. It names options, ``{stem}``, ``{name}``, ``{folder}``, ``{path}``, ``{show}``.
        frame_ranges: False when the function is of whole clips: a frame range is refused beforehand.
        headers_only: True where the body only describes its clip (by
            `rushes.media.describing.inspection.describe`), or a function of its options that says when; a
            clip in a store is then not copied here, and what is asked of it is fetched where it is. Of
            functions without outputs.
        triggers: what starts it by itself: `rushes.on_s3`, `on_schedule`, `on_sqs`, `on_folder`.

    Raises:
        CallerError: at import, naming the function, the value, what was expected and the fix.
    """
    if misused:
        raise CallerError(
            f"@function was used without arguments on {getattr(misused[0], '__name__', misused[0])!r}.",
            code="bad-function",
            fix='Write @function(version="1").',
        )
    declared = Declared(
        version=version,
        resources=resources or Resources(),
        retries=retries,
        owner=owner,
        tools=tuple(tools),
        timeout_s=timeout_s,
        stall_s=stall_s,
        preemptible=preemptible,
        reads_name=reads_name,
        frame_ranges=frame_ranges,
        headers_only=headers_only,
        max_concurrency=max_concurrency,
        exclusive=exclusive,
        triggers=tuple(triggers),
    )

    def decorate(body: Callable[..., Any]) -> Function[Any, Any]:
        check_declared(getattr(body, "__name__", repr(body)), declared)
        # The frame of the `def`: a model that was defined inside a function is found there.
        around = sys._getframe(1).f_locals  # noqa: SLF001 - typing offers no other way
        made: Function[Any, Any] = Function(body, declared, signature_of(body, around))
        if declared.headers_only and made.makes_outputs:
            raise CallerError(
                f"function {made.name}: headers_only, and its result names files.",
                code="bad-function",
                fix="Leave headers_only out: what makes files reads its clip.",
            )
        return made

    return cast("_Decorator", decorate)
