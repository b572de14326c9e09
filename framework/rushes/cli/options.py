"""The fields of a function's params model as typed command-line options, with help, choices and defaults.

The command line only converts what it must (choices, repeated values, KEY=VALUE); the model validates. A
field that has no shape on a command line (a nested model) is named in the help and set by a preset file.
This module must not know what the function does.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin

import click
from click.shell_completion import CompletionItem

from rushes.asset import Asset

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

__all__ = ["FieldOption", "nested_fields", "options_of", "values_of"]

_LISTS: Final = (list, set, frozenset, Sequence, AbstractSet)
_MAPPINGS: Final = (dict, Mapping)
_NEXT_PAIR: Final = re.compile(r",(?=[^,=]+=)")
_BOUNDS: Final = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"), ("multiple_of", "a multiple of"))


@dataclass(frozen=True, slots=True)
class _Shape:
    """How one annotation is written on a command line."""

    type: click.ParamType[Any]
    choices: Mapping[str, Any] | None = None
    flag: bool = False
    repeated: bool = False
    pairs: bool = False
    count: int = 1
    parsed: bool = False
    """The model reads text itself: it is handed ``8M`` as it was typed, and ``a,b`` as two."""


class FieldOption(click.Option):
    """An option that is a field of a params model."""

    def __init__(
        self, field: str, info: FieldInfo, shape: _Shape, *, member: str = "", is_alone: bool = True
    ) -> None:
        self.field = field
        self.info = info
        self.shape = shape
        self.member = member
        """Whose it is, where several functions run together."""
        dashed = field.replace("_", "-")
        named = [f"{member}-{dashed}".replace("_", "-")] if member else []
        named += [dashed] if is_alone else []
        names = [f"--{one}/--no-{one}" if shape.flag else f"--{one}" for one in named]
        settings: dict[str, Any] = {"help": _help(info, shape)}
        if not shape.flag:
            settings["type"] = shape.type
            settings["metavar"] = "KEY=VALUE" if shape.pairs else None
            settings["multiple"] = shape.repeated or shape.pairs
            settings["nargs"] = shape.count
        own = f"{member}__{field}" if member else field
        super().__init__([*names, own], default=None, show_default=False, **settings)

    def of_member(self, member: str, *, is_alone: bool) -> FieldOption:
        """The same option under the name of its function; under its own too where no other has such a one."""
        return FieldOption(self.field, self.info, self.shape, member=member, is_alone=is_alone)

    def value(self, given: Any) -> Any:
        """What was given, as the model takes it.

        Raises:
            click.BadParameter: a KEY=VALUE without its ``=``.
        """
        if self.shape.pairs:
            split = _pairs if self.shape.parsed else _whole
            return dict(self._pair(text) for one in given for text in split(one))
        if self.shape.parsed and self.shape.repeated:
            return [word.strip() for words in given for word in words.split(",")]
        if self.shape.repeated and self.shape.choices is not None:
            return [self._one(word) for words in given for word in words]
        if self.shape.repeated:
            return list(given)
        if self.shape.count > 1:
            return list(given)
        return self._one(given)

    def _one(self, given: Any) -> Any:
        if self.shape.choices is not None:
            return self.shape.choices[given]
        return given

    def _pair(self, text: str) -> tuple[str, str]:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{text!r} is no KEY=VALUE.", param=self)
        return key, value


def _whole(text: str) -> list[str]:
    return [text]


def _pairs(text: str) -> list[str]:
    """``a=1,b=2,3`` as ``a=1`` and ``b=2,3``."""
    return [pair.strip() for pair in _NEXT_PAIR.split(text)]


class _Number(click.ParamType[Any]):
    """A number where the field takes a number or a word, as in ``int | Literal["auto"]``."""

    name = "text"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:  # noqa: ARG002 - the base class' signature
        for kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
        return value


class _Typed(click.ParamType[Any]):
    """What was typed, as it is, under the name of what the model makes of it."""

    def __init__(self, name: str) -> None:
        self.name = "value" if name in {"integer", "float"} else name


class _Words(click.ParamType[Any]):
    """Words of a list, several with commas: ``name,timecode``."""

    name = "words"

    def __init__(self, choices: Mapping[str, Any]) -> None:
        self._choices = click.Choice(list(choices))

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        return self._choices.get_metavar(param, ctx)

    def convert(self, value: Any, param: Any, ctx: Any) -> list[str]:
        return [str(self._choices.convert(word.strip(), param, ctx)) for word in str(value).split(",")]

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return self._choices.shell_complete(ctx, param, incomplete)


class _Asset(click.Path):
    """A path or URI; whether it exists is for the engine, which may be elsewhere, to say."""

    name = "asset"


def options_of(model: type[BaseModel]) -> list[FieldOption]:
    """One option a field that can be written on a command line, in the order of the model."""
    found = ((name, info, _field_shape(info)) for name, info in model.model_fields.items())
    return [FieldOption(name, info, shape) for name, info, shape in found if shape is not None]


def nested_fields(model: type[BaseModel]) -> list[str]:
    """The fields that a preset file alone can set."""
    return [name for name, info in model.model_fields.items() if _field_shape(info) is None]


def values_of(ctx: click.Context, options: Sequence[FieldOption]) -> dict[str, Any]:
    """The fields that were given on the command line; the rest is left to presets and defaults."""
    source = click.core.ParameterSource.COMMANDLINE
    found: dict[str, Any] = {}
    for option in options:
        name = str(option.name)
        if ctx.get_parameter_source(name) is source:
            its = found.setdefault(option.member, {}) if option.member else found
            its[option.field] = option.value(ctx.params[name])
    return found


# -- annotations ----------------------------------------------------------------------------------------


def _field_shape(info: FieldInfo) -> _Shape | None:
    """How a field is written. A model that reads text itself knows more forms of it than we do."""
    shape = _shape(info.annotation)
    if shape is None or shape.choices is not None or shape.flag or shape.count > 1:
        return shape
    if not any(_reads_text(one) for one in (*info.metadata, *_notes(info.annotation))):
        return shape
    words = _Typed(str(shape.type.name))
    return _Shape(words, repeated=shape.repeated, pairs=shape.pairs, parsed=True)


def _reads_text(note: Any) -> bool:
    from pydantic import BeforeValidator, PlainValidator, WrapValidator  # noqa: PLC0415 - as in `_is_model`

    return isinstance(note, BeforeValidator | PlainValidator | WrapValidator)


def _notes(annotation: Any) -> list[Any]:
    """What ``Annotated`` says of an annotation, or of what it may be besides None."""
    if get_origin(annotation) is Annotated:
        return list(get_args(annotation)[1:])
    if get_origin(annotation) in {Union, types.UnionType}:
        return [note for member in get_args(annotation) for note in _notes(member)]
    return []


def _shape(annotation: Any) -> _Shape | None:
    """How an annotation is written, or None when it cannot be."""
    annotation = _bare(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is bool:
        return _Shape(click.BOOL, flag=True)
    if origin in _LISTS or annotation in _LISTS:
        return _repeated(arguments[0] if arguments else str)
    if origin is tuple:
        return _tuple(arguments)
    if origin in _MAPPINGS or annotation in _MAPPINGS:
        return _Shape(click.STRING, pairs=True)
    if origin in {Union, types.UnionType}:
        return _union([_bare(a) for a in arguments])
    return _scalar(annotation)


def _scalar(annotation: Any) -> _Shape | None:
    choices = _choices(annotation)
    if choices is not None:
        return _Shape(click.Choice(list(choices)), choices=choices)
    if annotation is Asset:
        return _Shape(_Asset())
    if not inspect.isclass(annotation):
        return _Shape(click.STRING)
    if _is_model(annotation):
        return None
    for kind, type_ in ((int, click.INT), (float, click.FLOAT), (Path, click.Path())):
        if issubclass(annotation, kind):
            return _Shape(type_)
    return _Shape(click.STRING)


def _repeated(item: Any) -> _Shape | None:
    shape = _scalar(_bare(item))
    if shape is None:
        return None
    words = _Words(shape.choices) if shape.choices is not None else shape.type
    return _Shape(words, choices=shape.choices, repeated=True)


def _tuple(arguments: tuple[Any, ...]) -> _Shape | None:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return _repeated(arguments[0])
    shapes = [_scalar(_bare(a)) for a in arguments]
    if None in shapes or not shapes:
        return None
    return _Shape(click.Tuple([s.type for s in shapes if s is not None]), count=len(shapes))


def _union(members: list[Any]) -> _Shape | None:
    """A union of scalars: a number is passed as one, so that the model need not guess."""
    shapes = [_shape(member) for member in members]
    if any(shape is None for shape in shapes):
        return None
    known = [shape for shape in shapes if shape is not None]
    words = {k: v for shape in known if shape.choices for k, v in shape.choices.items()}
    if len(words) == sum(len(shape.choices or {}) for shape in known) and all(s.choices for s in known):
        return _Shape(click.Choice(list(words)), choices=words)
    numeric = any(member in {int, float} for member in members)
    return _Shape(_Number() if numeric else click.STRING)


def _choices(annotation: Any) -> dict[str, Any] | None:
    """The words of a Literal or an Enum, with the values that they stand for."""
    if get_origin(annotation) is Literal:
        return {str(value): value for value in get_args(annotation) if value is not None}
    if inspect.isclass(annotation) and issubclass(annotation, Enum):
        return {str(member.value): member.value for member in annotation}
    return None


def _bare(annotation: Any) -> Any:
    """Without ``Annotated``, a type alias' name, and ``| None``."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__value__"):  # `type Codec = …` and TypeAliasType
            annotation = annotation.__value__
        elif get_origin(annotation) in {Union, types.UnionType}:
            members = [a for a in get_args(annotation) if a is not type(None)]
            if len(members) != 1:
                return Union[tuple(members)]  # noqa: UP007 - of a tuple that is only known now
            annotation = members[0]
        else:
            return annotation


def _is_model(annotation: Any) -> bool:
    from pydantic import BaseModel  # noqa: PLC0415 - a function is at hand, so it is loaded already

    return inspect.isclass(annotation) and issubclass(annotation, BaseModel)


# -- help -----------------------------------------------------------------------------------------------


def _help(info: FieldInfo, shape: _Shape) -> str:
    parts = [(info.description or "").strip()]
    notes = [text for text in (_bounds(info), _default(info)) if text]
    if shape.repeated or shape.pairs:
        notes.insert(0, "repeatable")
    if notes:
        parts.append(f"[{'; '.join(notes)}]")
    return "  ".join(part for part in parts if part)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.default
    if isinstance(value, Enum):
        value = value.value
    if value is None or info.default_factory is not None or value in ("", (), [], {}):
        return ""
    if isinstance(value, bool):
        return f"default: {'on' if value else 'off'}"
    if isinstance(value, list | tuple | set | frozenset):
        return "default: " + ", ".join(str(v.value if isinstance(v, Enum) else v) for v in value)
    return "" if _is_model(type(value)) else f"default: {value}"


def _bounds(info: FieldInfo) -> str:
    found = []
    for constraint in info.metadata:
        for name, sign in _BOUNDS:
            bound = getattr(constraint, name, None)
            if bound is not None:
                found.append(f"{sign} {bound}")
    return ", ".join(found)
