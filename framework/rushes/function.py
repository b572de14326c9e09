"""A function over one clip, as the decorator makes it of an author's: what it declares, and what it can do.

It runs here and now, or is dispatched. This module touches no global, starts nothing, and must not know how
an engine works: it names one (`local` by default) and hands over.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import replace
from functools import cache, cached_property, update_wrapper
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

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
    mentions,
)
from rushes.errors import CallerError
from rushes.options import Options, changed

if TYPE_CHECKING:
    from rushes.batch import Batch, Handle
    from rushes.dispatching import Unsent
    from rushes.triggers import Trigger

__all__ = ["RESERVED", "Function", "NoParams", "Options", "Params", "Resources", "Result"]

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
        from rushes.batch import load_engine  # noqa: PLC0415 - for who sends or runs, not for who declares

        engine = load_engine("local")
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
        other = copy(self)
        other.options = changed(self.options, f"{self.name}.with_options", options)
        return other

    def map(self, sources: Iterable[AssetLike], params: P | None = None, **overrides: Any) -> Batch[R]:
        """Submit one invocation a source, streaming, and return the batch.

        Raises:
            CallerError: an option is wrong, or the function cannot be found by a slot.
        """
        from rushes.dispatching import launch  # noqa: PLC0415 - for who sends, not for who declares

        return launch(self, ((Asset.of(s), None) for s in sources), self.params(params, **overrides))

    def starmap(self, items: Iterable[tuple[AssetLike, P | Mapping[str, Any]]], **shared: Any) -> Batch[R]:
        """Submit one invocation a pair of a source and its own options."""
        from rushes.dispatching import launch  # noqa: PLC0415 - as above

        pairs = ((Asset.of(source), own) for source, own in items)
        return launch(self, pairs, self.shared_params(**shared))

    def spawn(self, source: AssetLike, params: P | None = None, **overrides: Any) -> Handle[R]:
        """Submit one invocation and return a handle on it."""
        from rushes.batch import Handle  # noqa: PLC0415 - as above

        return Handle(self.map([source], params, **overrides))

    def remote(self, source: AssetLike, params: P | None = None, **overrides: Any) -> R:
        """Submit one invocation, wait for it and return its result.

        Raises:
            RushesError: the invocation failed.
        """
        return self.spawn(source, params, **overrides).result()

    def bind(self, source: AssetLike, params: P | None = None, **overrides: Any) -> Unsent[P, R]:
        """An invocation of this function that has not been sent."""
        from rushes.dispatching import Unsent  # noqa: PLC0415 - as above

        return Unsent(self, Asset.of(source), self.params(params, **overrides))

    def quote(self, sources: Iterable[AssetLike], params: P | None = None, **overrides: Any) -> Any:
        """What `map` of the same would take: a `rushes.runtime.sending.quoting.BatchQuote`. Nothing is sent.

        With a ``deadline`` among its dispatch options it finds the fewest and cheapest slots that keep to it,
        or says why there are none.

        Raises:
            CallerError: an option is wrong, or the engine gives no quotes (``no-quote``).
        """
        from rushes.dispatching import quoted  # noqa: PLC0415 - few ask

        return quoted(self, (Asset.of(source) for source in sources), self.params(params, **overrides))

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

    def __repr__(self) -> str:
        return f"<function {self.name}@{self.version} of {self.ref}>"
