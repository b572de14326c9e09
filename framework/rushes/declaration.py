"""What an author declares: options, results, resources; and everything that is refused at import.

A refusal names the function, the value, what was expected and the fix. This module must not know how a
function is run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, get_type_hints

from pydantic import BaseModel, ConfigDict

from rushes.asset import Asset
from rushes.context import Context
from rushes.errors import CallerError
from rushes.units import parse_size

__all__ = [
    "RESERVED",
    "Declared",
    "NoParams",
    "Params",
    "Resources",
    "Result",
    "Signature",
    "check_declared",
    "mentions",
    "signature_of",
]

# A parameter with one of these names could not be told from the dispatcher's own option.
RESERVED: Final = frozenset(
    {"out", "priority", "show", "deadline", "max_cost", "tag", "tags", "name", "receipts", "slots", "force"}
    | {"dry_run", "print_command", "engine", "json", "format", "frames", "after", "on_failure", "params"}
    | {"source", "help", "settle", "quote", "by", "tier", "exclusive"}
)


class Params(BaseModel):
    """The options of a function: a frozen pydantic model, which becomes its CLI options and JSON schema."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, defer_build=True)


class NoParams(Params):
    """The options of a function that has none."""


class Result(BaseModel):
    """What a function returns: data, and the `Output` files that it made.

    `SCHEMA` is the version of the model. The compatibility rule: within one schema version, fields are only
    added, each with a default, so an older reader ignores what it does not know and a newer reader fills in
    what is missing; a field that is removed, renamed or changes its meaning or unit raises `SCHEMA`.
    """

    model_config = ConfigDict(extra="ignore", defer_build=True)
    SCHEMA: ClassVar[int] = 1


# Ours are built when used. An author's model is built where it is written: what is wrong is said at import.
Params.model_config["defer_build"] = Result.model_config["defer_build"] = False


@dataclass(frozen=True, slots=True)
class Resources:
    """What one attempt needs; the pool packs attempts by it.

    Args:
        cpu: cores that it keeps busy.
        memory: bytes, or a size such as ``2GiB``; the attempt is stopped when it outgrows it.
        scratch: bytes, or a size, that it writes to its scratch folder at most.
        gpu: whole GPUs.
        encoder: ``any``, ``software``, a family, or families in order of preference.
        fallback: whether another encoder may step in when that fails: ``allow``, ``forbid``, or the least
            quality (VMAF, 0 to 100) that it has to reach.
    """

    cpu: float = 1.0
    memory: str | int = "1GiB"
    scratch: str | int = 0
    gpu: int = 0
    encoder: str | tuple[str, ...] = "any"
    fallback: str | float = "allow"

    def vector(self) -> dict[str, float]:
        """The numbers that the scheduler packs: cpu, memory and scratch in bytes, gpu."""
        return {
            "cpu": float(self.cpu),
            "memory": float(parse_size(self.memory)),
            "scratch": float(parse_size(self.scratch)),
            "gpu": float(self.gpu),
        }


@dataclass(frozen=True, slots=True)
class Declared:
    """The decorator's arguments."""

    version: str
    resources: Resources
    retries: int
    owner: str
    tools: tuple[str, ...]
    timeout_s: float | None
    stall_s: float
    preemptible: bool
    reads_name: bool
    max_concurrency: int | None = None
    exclusive: str = ""
    frame_ranges: bool = True
    triggers: tuple[Any, ...] = ()
    headers_only: bool | Callable[[Any], bool] = False


@dataclass(frozen=True, slots=True)
class Signature:
    """What a body's signature says: its models, and the order of what follows the clip."""

    params: type[Params]
    result: type[Result]
    order: tuple[str, ...]


def check_declared(name: str, declared: Declared) -> None:
    """Refuse arguments of the decorator that cannot be meant.

    Raises:
        CallerError: naming the function, the value, what was expected and the fix.
    """

    def refuse(what: str, fix: str) -> CallerError:
        return _refuse(name, what, fix)

    if not isinstance(declared.version, str) or not declared.version:
        raise refuse(
            f"version={declared.version!r}; expected a non-empty string.", 'Write @function(version="1").'
        )
    _check_resources(refuse, declared.resources)
    if not isinstance(declared.retries, int) or not 0 <= declared.retries <= 100:
        raise refuse(f"retries={declared.retries!r}; expected 0 to 100.", "Write retries=2.")
    if declared.stall_s <= 0 or (declared.timeout_s is not None and declared.timeout_s <= 0):
        raise refuse("a time limit of 0 or less; expected seconds above 0.", "Leave it out for the default.")
    most = declared.max_concurrency
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise refuse(
            f"max_concurrency={most!r}; expected a whole number of 1 or more.", "Leave it out for none."
        )
    if not isinstance(declared.exclusive, str):
        raise refuse(
            f"exclusive={declared.exclusive!r}; expected a template.",
            'Write exclusive="{folder}", or another.',
        )
    if not (isinstance(declared.headers_only, bool) or callable(declared.headers_only)):
        raise refuse(
            f"headers_only={declared.headers_only!r}; expected True, False, or a function of the options.",
            "Write headers_only=True.",
        )
    for tool in declared.tools:
        if not tool or "/" in tool or tool.startswith("-"):
            raise refuse(f"tools names {tool!r}; expected a program's name.", 'Write tools=["exiftool"].')


def _check_resources(refuse: Callable[[str, str], CallerError], resources: Any) -> None:
    if not isinstance(resources, Resources):
        raise refuse(f"resources={resources!r}; expected Resources.", "Write resources=Resources(cpu=2).")
    if not resources.cpu > 0:
        raise refuse(f"cpu={resources.cpu!r}; expected more than 0.", "Write Resources(cpu=1).")
    for noun in ("memory", "scratch"):
        try:
            parse_size(getattr(resources, noun))
        except CallerError as error:
            raise refuse(f"{noun}: {error.message}", error.fix) from error


def signature_of(body: Callable[..., Any], local: Mapping[str, Any]) -> Signature:
    """Read a body's signature; `local` are the names around it, for models that live in a function.

    Raises:
        CallerError: it is not ``(clip: Asset[, params: Params][, ctx: Context]) -> Result``.
    """
    name = getattr(body, "__name__", repr(body))
    if not inspect.isfunction(body):
        raise _refuse(name, "is no plain function.", "Decorate a `def` with @function.")
    if inspect.iscoroutinefunction(body) or inspect.isgeneratorfunction(body):
        raise _refuse(name, "is async or a generator.", "A body is an ordinary function: drop async/yield.")
    try:
        hints = get_type_hints(body, localns=dict(local))
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
    params, order = _parameters(name, arguments[1:], hints)
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
    return Signature(params, result, tuple(order))


def _parameters(
    name: str, arguments: list[inspect.Parameter], hints: dict[str, Any]
) -> tuple[type[Params], list[str]]:
    params: type[Params] = NoParams
    order: list[str] = []
    for argument in arguments:
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
    return params, order


def mentions(annotation: Any, wanted: type, seen: frozenset[Any] = frozenset()) -> bool:
    """True when an annotation names `wanted`, however deep; a model that names itself is looked at once."""
    if annotation is wanted or getattr(annotation, "__origin__", None) is wanted:
        return True
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        if annotation in seen:
            return False
        seen |= {annotation}
        return any(mentions(field.annotation, wanted, seen) for field in annotation.model_fields.values())
    return any(mentions(part, wanted, seen) for part in getattr(annotation, "__args__", ()))


def _refuse(name: str, what: str, fix: str) -> CallerError:
    return CallerError(f"function {name}: {what}", code="bad-function", fix=fix)
