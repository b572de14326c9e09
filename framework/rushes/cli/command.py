"""A click command whose options are known once its function is: two-stage parsing, and help in two parts.

First the name of the function (or a job file) is found among the arguments and loaded; then everything is
parsed with the dispatch options and those of its params model. This module must not know how work is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import click

from rushes.cli.dispatch import dispatch_options
from rushes.cli.job import Job, is_job, load_job
from rushes.errors import CallerError, RushesError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from rushes.cli.options import FieldOption
    from rushes.function import Function

__all__ = ["Asked", "FunctionCommand", "FunctionName", "asked"]

_KEY: Final = "rushes.asked"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the first stage found: the function, its options, and the job file that named it, if any."""

    function: Function[Any, Any]
    fields: list[FieldOption]
    extra: list[click.Option]
    job: Job | None = None


def asked(ctx: click.Context) -> Asked:
    """What the first stage of parsing found.

    Raises:
        click.UsageError: no function was named.
    """
    found = ctx.meta.get(_KEY)
    if found is None:
        raise click.UsageError("FUNCTION is missing: `rushes functions` lists those that are installed.", ctx)
    return cast("Asked", found)


class FunctionName(click.ParamType[str]):
    """The name of a function; a shell completes it by those that are installed."""

    name = "function"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only when a shell asks

        from rushes.catalog import installed  # noqa: PLC0415

        names = [CompletionItem(one.name) for one in installed() if one.name.startswith(incomplete)]
        return names or click.Path().shell_complete(ctx, param, incomplete)


class FunctionCommand(click.Command):
    """``COMMAND FUNCTION INPUT... [options of both]``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._dispatch = self.own_options()
        self.params = [
            click.Argument(["function"], type=FunctionName(), required=False),
            click.Argument(["inputs"], nargs=-1, type=click.Path(), metavar="[INPUT]..."),
            *self._dispatch,
        ]

    def own_options(self) -> list[click.Option]:
        """The options beside those of the function, in the order of the help."""
        return dispatch_options()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        name = self._function_named(ctx, args)
        if name is not None:
            try:
                ctx.meta[_KEY] = _ask(name)
            except RushesError:
                if not ctx.resilient_parsing:  # a shell that completes has nobody to tell it to
                    raise
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise _no_such_option(ctx, error) from error

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        found: Asked | None = ctx.meta.get(_KEY)
        own: list[click.Parameter] = [*found.fields, *found.extra] if found else []
        return [*super().get_params(ctx), *own]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found: Asked | None = ctx.meta.get(_KEY)
        if found:
            with formatter.section(f"Options of {found.function.name}"):
                rows = [o.get_help_record(ctx) for o in [*found.fields, *found.extra]]
                formatter.write_dl([row for row in rows if row] or [("none", "")])
            nested = _only_in_presets(found)
            if nested:
                formatter.write_text(f"Only in a preset file (--params): {', '.join(nested)}.")
        with formatter.section("Dispatch options"):
            rows = [o.get_help_record(ctx) for o in [*self._dispatch, *self._own_help(ctx)]]
            formatter.write_dl([row for row in rows if row])
        if not found:
            formatter.write_text("")
            formatter.write_text(f"{ctx.command_path} FUNCTION --help shows the options of a function.")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found: Asked | None = ctx.meta.get(_KEY)
        if found is None:
            super().format_help_text(ctx, formatter)
            return
        doc = (found.function.__doc__ or "").strip()
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(doc.split("\n\n")[0] or f"{found.function.name}, which has no description.")

    def _own_help(self, ctx: click.Context) -> list[click.Option]:
        option = self.get_help_option(ctx)
        return [option] if option else []

    def _function_named(self, ctx: click.Context, args: list[str]) -> str | None:
        """The first argument that is neither an option of the dispatch nor the value of one."""
        takes_value = {name: not o.is_flag for o in self._dispatch for name in o.opts}
        remaining = iter(args)
        for arg in remaining:
            if arg == "--":
                return next(remaining, None)
            if not arg.startswith("-") or arg == "-":
                return arg
            name, equals, _ = arg.partition("=")
            if name in {"-h", "--help"}:
                continue
            if name not in takes_value:
                if ctx.resilient_parsing:
                    continue
                raise click.UsageError(
                    f"{name} stands before FUNCTION; options of a function go after its name.", ctx
                )
            if takes_value[name] and not equals:
                next(remaining, None)
        return None


def _no_such_option(ctx: click.Context, error: click.NoSuchOption) -> click.UsageError:
    """An option that nothing has; of functions that run together, those that have it under their names."""
    found: Asked | None = ctx.meta.get(_KEY)
    if found is None:
        return error
    name = found.function.name
    flat = error.option_name.lstrip("-").removeprefix("no-").replace("-", "_")
    whose = [one for one in found.fields if one.member and one.field == flat]
    if not whose:
        import difflib  # noqa: PLC0415 - few names are wrong

        near = difflib.get_close_matches(error.option_name, error.possibilities or (), n=2, cutoff=0.7)
        hint = (
            f" Did you mean {' or '.join(near)}?"
            if near
            else f" `rushes describe {name}` shows those it has."
        )
        return click.UsageError(f"{name} has no option {error.option_name}.{hint}", ctx)
    spelt = [max(one.opts, key=len) for one in whose]
    members = " and ".join(one.member for one in whose)
    return click.UsageError(
        f"{error.option_name} is an option of {members}: write {' or '.join(spelt)}.", ctx
    )


def _ask(name: str) -> Asked:
    from rushes import catalog  # noqa: PLC0415 - now that a function is named
    from rushes.cli.function_options import options_for  # noqa: PLC0415
    from rushes.cli.sinks import format_options  # noqa: PLC0415

    job = load_job(name) if is_job(name) else None
    function = catalog.find(job.function if job else name)
    try:
        fields = options_for(function)
    except RecursionError as error:
        raise CallerError(
            f"the options of {function.name} contain themselves.",
            code="bad-function",
            fix="Its author can set them by a file: an Asset option.",
        ) from error
    return Asked(function, fields, format_options(function), job)


def _only_in_presets(found: Asked) -> list[str]:
    from rushes.cli.function_options import nested_for  # noqa: PLC0415 - a function is at hand

    return nested_for(found.function)
