"""The decorator: a plain function over one clip becomes an object that runs here, or on thousands.

Everything that can be refused is refused at import, naming the function, the value, what was expected and
the fix. This module touches no global, starts nothing, and must not know how an engine works: it names one
(`local` by default) and hands over.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, update_wrapper
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar, cast, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, ValidationError

from rushes.asset import Asset, Output
from rushes.context import Context
from rushes.errors import CallerError, error_from_dict
from rushes.invocation import PRIORITIES, BatchStatus, Finished
from rushes.units import parse_size

__all__ = [
    "Batch",
    "Function",
    "Handle",
    "NoParams",
    "Options",
    "Outcome",
    "Params",
    "Resources",
    "Result",
    "function",
]

P = TypeVar("P", bound="Params")
R = TypeVar("R", bound="Result")

# A parameter with one of these names could not be told from the dispatcher's own option.
RESERVED: Final = frozenset(
    "out priority show deadline max_cost tag tags name receipts slots force dry_run print_command engine "
    "json format frames after on_failure params source help settle".split()
)


class Params(BaseModel):
    """The options of a function: a frozen pydantic model, which becomes its CLI options and JSON schema."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class NoParams(Params):
    """The options of a function that has none."""


class Result(BaseModel):
    """What a function returns: data, and the `Output` files that it made.

    `SCHEMA` is the version of the model. The compatibility rule: within one schema version, fields are only
    added, each with a default, so an older reader ignores what it does not know and a newer reader fills in
    what is missing; a field that is removed, renamed or changes its meaning or unit raises `SCHEMA`.
    """

    model_config = ConfigDict(extra="ignore")
    SCHEMA: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class Resources:
    """What one attempt needs; the pool packs attempts by it.

    Args:
        cpu: cores that it keeps busy.
        memory: bytes, or a size such as ``2GiB``; the attempt is stopped when it outgrows it.
        scratch: bytes, or a size, that it writes to its scratch folder at most.
        gpu: whole GPUs.
        encoder: ``any``, ``software``, a family, or families in order of preference.
    """

    cpu: float = 1.0
    memory: str | int = "1GiB"
    scratch: str | int = 0
    gpu: int = 0
    encoder: str | tuple[str, ...] = "any"

    def vector(self) -> dict[str, float]:
        """The numbers that the scheduler packs: cpu, memory and scratch in bytes, gpu."""
        return {
            "cpu": float(self.cpu),
            "memory": float(parse_size(self.memory)),
            "scratch": float(parse_size(self.scratch)),
            "gpu": float(self.gpu),
        }


@dataclass(frozen=True, slots=True)
class Options:
    """How invocations are dispatched; nothing here changes a result, so nothing here is in its key."""

    out: str | None = None
    priority: str = "standard"
    show: str = "default"
    deadline: float | None = None
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    receipts: str = "beside"
    force: bool = False
    slots: int | None = None
    engine: str = "local"
    after: tuple[Handle[Any] | Batch[Any] | str, ...] = ()
    on_failure: str = "cancel"
    settle_s: float = 0.0
    """How long a source must have been unchanged before it is read."""

    def __post_init__(self) -> None:
        if self.priority not in PRIORITIES:
            raise CallerError(
                f"priority {self.priority!r} is no class.",
                code="bad-value",
                fix=f"Use one of {', '.join(PRIORITIES)}.",
            )
        if self.on_failure not in {"cancel", "run"}:
            raise CallerError(
                f"on_failure {self.on_failure!r} is no policy.", code="bad-value", fix="Use cancel or run."
            )


class RunnableEngine(Protocol):
    """What a `Function` asks of an engine."""

    def call(
        self, function: Function[Any, Any], source: Asset, params: Params, options: Options
    ) -> Result: ...

    def launch(
        self,
        function: Function[Any, Any],
        options: Options,
        items: Iterable[tuple[Asset, Mapping[str, Any] | Params | None]],
        params: Params,
    ) -> tuple[str, int]: ...

    def results(
        self, batch: str, *, after: int = 0, limit: int = 1000, wait_s: float = 0.0
    ) -> Sequence[Finished]: ...

    def status(self, batch: str) -> BatchStatus: ...

    def cancel(self, batch: str) -> None: ...


def load_engine(name: str) -> RunnableEngine:
    """The engine of that name, built with its defaults; found by entry point, imported only here.

    Raises:
        CallerError: none is installed under that name.
    """
    if name == "local":
        module, attribute = "rushes.engines.local", "LocalEngine"
    else:
        found = {e.name: e for e in entry_points(group="rushes.engines")}
        if name not in found:
            known = ", ".join(sorted({"local", *found}))
            raise CallerError(
                f"no engine is called {name!r}.", code="unknown-engine", fix=f"Installed here: {known}."
            )
        module, attribute = found[name].module, found[name].attr
    return cast("RunnableEngine", getattr(import_module(module), attribute)())


class Function(Generic[P, R]):
    """A named, versioned, stateless unit of media work that is still an ordinary callable.

    ``f(clip)`` runs here and now and returns the result; ``f.map(clips)`` runs on an engine.
    """

    def __init__(self, body: Callable[..., R], declared: _Declared) -> None:
        self._body = body
        self._declared = declared
        self.options = Options()
        self.name = body.__name__
        self.ref = f"{body.__module__}:{body.__qualname__}"
        """How a slot finds it; the catalogue replaces it for a function loaded by path."""
        self.path: str | None = None
        """The file that it was loaded from by path, else None."""
        self._shape = _shape_of(body)
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
    def reads_name(self) -> bool:
        return self._declared.reads_name

    @property
    def params_model(self) -> type[P]:
        return cast("type[P]", self._shape.params)

    @property
    def result_model(self) -> type[R]:
        return cast("type[R]", self._shape.result)

    @cached_property
    def makes_outputs(self) -> bool:
        """True when the result names files, so that an ``out`` is needed."""
        return _mentions_output(self._shape.result, set())

    # -- here and now -----------------------------------------------------------------------------------

    def __call__(
        self, source: Asset | str, params: P | None = None, *, out: str | None = None, **overrides: Any
    ) -> R:
        """Run here and now, in this process, and return the result.

        Args:
            source: a path, a URI or an `Asset`.
            params: the options; `overrides` are fields that differ from them.
            out: folder of the outputs; must be given when the function makes any.

        Raises:
            CallerError: the source or an option is wrong.
            MediaError: the media is at fault.
            PlatformError: this machine is at fault.
        """
        options = replace(self.options, out=out) if out is not None else self.options
        engine = load_engine("local")
        return cast("R", engine.call(self, Asset.of(source), self.params(params, **overrides), options))

    def params(self, params: P | None = None, **overrides: Any) -> P:
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
            raise bad_params(self.name, model, problem) from problem

    def invoke(self, source: Asset, params: Params, context: Context) -> R:
        """Call the author's body with the arguments that it declared; used by the runtime."""
        arguments: list[Any] = [source]
        for part in self._shape.order:
            arguments.append(params if part == "params" else context)
        return self._body(*arguments)

    # -- on an engine -----------------------------------------------------------------------------------

    def with_options(self, **options: Any) -> Function[P, R]:
        """The same function with dispatch options: out, priority, show, deadline, tags, name, receipts,
        force, slots, engine, after, on_failure, settle_s.

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
        if "after" in options:
            after = options["after"]
            options["after"] = tuple(after) if isinstance(after, list | tuple) else (after,)
        other: Function[P, R] = Function(self._body, self._declared)
        other.ref, other.path = self.ref, self.path
        other.options = replace(self.options, **options)
        return other

    def map(self, sources: Iterable[Asset | str], params: P | None = None, **overrides: Any) -> Batch[R]:
        """Submit one invocation a source, streaming, and return the batch.

        Raises:
            CallerError: an option is wrong, or the function cannot be found by a slot.
        """
        return self._launch(((Asset.of(s), None) for s in sources), self.params(params, **overrides))

    def starmap(self, items: Iterable[tuple[Asset | str, P | Mapping[str, Any]]], **shared: Any) -> Batch[R]:
        """Submit one invocation a pair of a source and its own options."""
        pairs = ((Asset.of(source), own) for source, own in items)
        return self._launch(pairs, self.params(None, **shared) if shared else None)

    def spawn(self, source: Asset | str, params: P | None = None, **overrides: Any) -> Handle[R]:
        """Submit one invocation and return a handle on it."""
        return Handle(self.map([source], params, **overrides))

    def remote(self, source: Asset | str, params: P | None = None, **overrides: Any) -> R:
        """Submit one invocation, wait for it and return its result.

        Raises:
            RushesError: the invocation failed.
        """
        return self.spawn(source, params, **overrides).result()

    def bind(self, source: Asset | str, params: P | None = None, **overrides: Any) -> Bound[P, R]:
        """An invocation of this function that has not been sent."""
        return Bound(self, Asset.of(source), self.params(params, **overrides))

    def _launch(
        self, items: Iterable[tuple[Asset, Mapping[str, Any] | Params | None]], params: P | None
    ) -> Batch[R]:
        if self.ref.startswith("__main__:") and self.path is None:
            raise CallerError(
                f"{self.name} lives in __main__, where a slot cannot find it.",
                code="main-function",
                fix=f"Move it to a module and import it, or run `rushes run ./FILE.py:{self.name}`.",
            )
        engine = load_engine(self.options.engine)
        base: Params = params if params is not None else self._default_params()
        batch, total = engine.launch(self, self.options, items, base)
        return Batch(engine, batch, self.result_model, total)

    def _default_params(self) -> Params:
        try:
            return self.params_model()
        except ValidationError:  # some are required: then every item has to bring its own
            return self.params_model.model_construct()

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


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    """How one invocation ended; `result` raises what went wrong."""

    finished: Finished
    model: type[R]

    @property
    def ok(self) -> bool:
        return self.finished.state.value == "succeeded"

    @property
    def asset(self) -> str:
        return self.finished.asset

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.finished.outputs

    @property
    def error(self) -> Mapping[str, Any] | None:
        return self.finished.error

    @property
    def result(self) -> R:
        """The result.

        Raises:
            RushesError: the invocation failed or was cancelled.
        """
        if not self.ok:
            raise error_from_dict(self.finished.error or {"kind": "cancelled", "code": "cancelled"})
        return self.model.model_validate(self.finished.result)


class Batch(Generic[R]):
    """Invocations submitted together. Iterating yields an `Outcome` for each as it ends, until all have."""

    def __init__(self, engine: RunnableEngine, batch: str, model: type[R], total: int) -> None:
        self._engine = engine
        self._model = model
        self.id = batch
        self.total = total

    def __len__(self) -> int:
        return self.total

    def __iter__(self) -> Iterator[Outcome[R]]:
        seen = 0
        while seen < self.total:
            page = self._engine.results(self.id, after=seen, wait_s=10.0)
            for finished in page:
                seen = finished.seq
                yield Outcome(finished, self._model)

    @property
    def progress(self) -> BatchStatus:
        """Where the batch stands now."""
        return self._engine.status(self.id)

    def wait(self) -> BatchStatus:
        """Wait until every invocation has ended."""
        for _ in self:
            pass
        return self.progress

    def results(self) -> list[R]:
        """All results in the order in which they ended.

        Raises:
            RushesError: the first failure.
        """
        return [outcome.result for outcome in self]

    def cancel(self) -> None:
        """Cancel what has not ended; nothing half-written is left."""
        self._engine.cancel(self.id)

    def __repr__(self) -> str:
        return f"<batch {self.id}: {self.total} invocations>"


class Handle(Generic[R]):
    """One submitted invocation."""

    def __init__(self, batch: Batch[R]) -> None:
        self.batch = batch

    @property
    def id(self) -> str:
        return f"{self.batch.id}.1"

    def result(self) -> R:
        """Wait for the invocation and return its result.

        Raises:
            RushesError: it failed or was cancelled.
        """
        return next(iter(self.batch)).result

    def cancel(self) -> None:
        self.batch.cancel()


# -- the decorator --------------------------------------------------------------------------------------


class _Decorator(Protocol):
    @overload
    def __call__(self, body: Callable[[Asset, P, Context], R], /) -> Function[P, R]: ...
    @overload
    def __call__(self, body: Callable[[Asset, P], R], /) -> Function[P, R]: ...
    @overload
    def __call__(self, body: Callable[[Asset, Context], R], /) -> Function[NoParams, R]: ...
    @overload
    def __call__(self, body: Callable[[Asset], R], /) -> Function[NoParams, R]: ...


@dataclass(frozen=True, slots=True)
class _Declared:
    version: str
    resources: Resources
    retries: int
    owner: str
    tools: tuple[str, ...]
    timeout_s: float | None
    stall_s: float
    preemptible: bool
    reads_name: bool


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
) -> _Decorator:
    """Package a function over one clip: ``(clip: Asset, params: MyParams, ctx: Context) -> MyResult``.

    `params` and `ctx` may be left out. The name of the body is the name of the function.

    Args:
        version: raised by the author whenever the same inputs would give another result.
        resources: what one attempt needs.
        retries: further tries when the platform is at fault.
        owner: the team that answers for it.
        tools: executables that the body runs with ``ctx.run``.
        timeout_s: limit of one attempt in seconds; None: a multiple of the media's duration.
        stall_s: seconds without progress after which an attempt is stopped.
        preemptible: False exempts it from displacement.
        reads_name: False when the result does not depend on the source's name, so that a renamed copy
            counts as known.

    Raises:
        CallerError: at import, naming the function, the value, what was expected and the fix.
    """
    if misused:
        raise CallerError(
            f"@function was used without arguments on {getattr(misused[0], '__name__', misused[0])!r}.",
            code="bad-function",
            fix='Write @function(version="1").',
        )
    declared = _Declared(
        version=version,
        resources=resources or Resources(),
        retries=retries,
        owner=owner,
        tools=tuple(tools),
        timeout_s=timeout_s,
        stall_s=stall_s,
        preemptible=preemptible,
        reads_name=reads_name,
    )

    def decorate(body: Callable[..., Any]) -> Function[Any, Any]:
        _check_declared(getattr(body, "__name__", repr(body)), declared)
        return Function(body, declared)

    return cast("_Decorator", decorate)


def bad_params(name: str, model: type[BaseModel], problem: ValidationError) -> CallerError:
    """One sentence for pydantic's report: the option, its value, what was expected."""
    lines = []
    for error in problem.errors(include_url=False):
        where = ".".join(str(part) for part in error["loc"]) or "options"
        if error["type"] == "extra_forbidden":
            lines.append(f"{name} has no option {where!r}")
        elif error["type"] == "missing":
            lines.append(f"{name} needs option {where!r}")
        else:
            lines.append(f"{name} option {where}={error['input']!r}: {error['msg']}")
    known = ", ".join(model.model_fields) or "none"
    return CallerError("; ".join(lines) + ".", code="bad-option", fix=f"Its options: {known}.")


# -- what is refused at import --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shape:
    params: type[Params]
    result: type[Result]
    order: tuple[str, ...]


def _refuse(name: str, what: str, fix: str) -> CallerError:
    return CallerError(f"function {name}: {what}", code="bad-function", fix=fix)


def _check_declared(name: str, declared: _Declared) -> None:
    def refuse(what: str, fix: str) -> CallerError:
        return _refuse(name, what, fix)

    if not isinstance(declared.version, str) or not declared.version:
        raise refuse(
            f"version={declared.version!r}; expected a non-empty string.", 'Write @function(version="1").'
        )
    if not isinstance(declared.resources, Resources):
        raise refuse(
            f"resources={declared.resources!r}; expected Resources.", "Write resources=Resources(cpu=2)."
        )
    if not isinstance(declared.retries, int) or not 0 <= declared.retries <= 100:
        raise refuse(f"retries={declared.retries!r}; expected 0 to 100.", "Write retries=2.")
    if not declared.resources.cpu > 0:
        raise refuse(f"cpu={declared.resources.cpu!r}; expected more than 0.", "Write Resources(cpu=1).")
    for noun in ("memory", "scratch"):
        try:
            parse_size(getattr(declared.resources, noun))
        except CallerError as error:
            raise refuse(f"{noun}: {error.message}", error.fix) from error
    if declared.stall_s <= 0 or (declared.timeout_s is not None and declared.timeout_s <= 0):
        raise refuse("a time limit of 0 or less; expected seconds above 0.", "Leave it out for the default.")
    for tool in declared.tools:
        if not tool or "/" in tool or tool.startswith("-"):
            raise refuse(f"tools names {tool!r}; expected a program's name.", 'Write tools=["exiftool"].')


def _shape_of(body: Callable[..., Any]) -> _Shape:
    name = getattr(body, "__name__", repr(body))
    if not inspect.isfunction(body):
        raise _refuse(name, "is no plain function.", "Decorate a `def` with @function.")
    if inspect.iscoroutinefunction(body) or inspect.isgeneratorfunction(body):
        raise _refuse(name, "is async or a generator.", "A body is an ordinary function: drop async/yield.")
    try:
        hints = get_type_hints(body)
    except NameError as error:
        raise _refuse(
            name,
            f"an annotation cannot be read: {error}.",
            "Import it at run time, not under `if TYPE_CHECKING`.",
        ) from error
    arguments = list(inspect.signature(body).parameters.values())
    if not arguments or hints.get(arguments[0].name) is not Asset:
        raise _refuse(
            name,
            "the first parameter is not annotated as Asset.",
            f"Write def {name}(clip: Asset, ...) -> MyResult.",
        )
    params: type[Params] = NoParams
    order: list[str] = []
    for argument in arguments[1:]:
        hint = hints.get(argument.name)
        if hint is Context:
            order.append("context")
        elif inspect.isclass(hint) and issubclass(hint, Params):
            params = hint
            order.append("params")
        else:
            shown = "nothing" if hint is None else getattr(hint, "__name__", hint)
            raise _refuse(
                name,
                f"parameter {argument.name!r} is annotated as {shown}; expected a Params model or Context.",
                "Put options into one class that derives from Params.",
            )
    if len(set(order)) != len(order):
        raise _refuse(name, "Params or Context appear twice.", "Keep one of each.")
    result = hints.get("return")
    if not (inspect.isclass(result) and issubclass(result, Result)):
        shown = "nothing" if result is None else getattr(result, "__name__", result)
        raise _refuse(name, f"returns {shown}; expected a Result model.", "Annotate -> MyResult(Result).")
    for option in params.model_fields:
        if option in RESERVED:
            raise _refuse(
                name,
                f"option {option!r} of {params.__name__} has the name of a dispatch option.",
                "Rename the field.",
            )
    return _Shape(params, result, tuple(order))


def _mentions_output(annotation: Any, seen: set[Any]) -> bool:
    if annotation is Output:
        return True
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        if annotation in seen:
            return False
        seen.add(annotation)
        return any(_mentions_output(f.annotation, seen) for f in annotation.model_fields.values())
    return any(_mentions_output(part, seen) for part in getattr(annotation, "__args__", ()))


def source_module(function: Function[Any, Any]) -> Any:
    """The module that the author's body lives in."""
    return sys.modules[function._body.__module__]  # noqa: SLF001 - same module
