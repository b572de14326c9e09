"""The top of the command tree: names, one line of help each, and where each command lives.

`rushes --help` is answered from the table below, so that it imports click and nothing else. This module must
not know what a command does.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, Final

import click

from rushes import __version__
from rushes.cli.session import Session
from rushes.errors import RushesError
from rushes.printing import printable

__all__ = ["COMMANDS", "app"]

COMMANDS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "Work": {
        "run": ("run:run", "Run a function on clips, follow it, and say what came of it."),
        "submit": ("run:submit", "The same, or a job.yaml, without waiting."),
        "watch": ("watch:watch", "Send every clip that comes into a folder, once it is complete."),
        "follow": ("batches:follow", "Follow a batch until it has ended."),
        "status": ("batches:status", "Where a batch stands."),
        "results": ("results:results", "What came of the invocations of a batch."),
        "cancel": ("batches:cancel", "Cancel what has not ended of a batch."),
        "set": ("batches:set_", "Give a batch another class, while it waits and while it runs."),
        "retry": ("batches:retry", "Queue the failed and cancelled invocations again."),
        "list": ("batches:list_", "The newest batches."),
    },
    "One invocation": {
        "why": ("invocations:why", "Why it waits, runs or failed, and what to do."),
        "logs": ("logs:logs", "What its attempts logged."),
        "receipt": ("invocations:receipt", "Where its result comes from."),
        "reproduce": ("reproduce:reproduce", "Make a result again and compare the two."),
    },
    "Functions": {
        "functions": ("functions:functions", "The functions that are installed."),
        "describe": ("functions:describe", "What a function does, takes and gives."),
        "new": ("new:new", "Start a function, with its test and its page."),
    },
    "Money": {
        "cost": ("cost:cost", "What was spent, by show and function; and that it adds up."),
        "budget": ("budget:budget", "Who may spend how much, and what is held."),
    },
    "Planning": {
        "quote": ("quote:quote", "What a batch will cost, and when it is done, before it runs."),
        "simulate": ("simulate:simulate", "What becomes of a load on a pool of some size."),
    },
    "AWS": {
        "infra": ("infra:infra", "What functions need on AWS: plan, compare, deploy, remove."),
        "redrive": ("redrive:redrive", "Send again what queues on AWS have set aside."),
        "restore": ("restore:restore", "Bring clips back from an archive of S3."),
    },
    "This machine": {
        "pool": ("pool:pool", "Slots, what they run, and what waits."),
        "classes": ("classes:classes", "The priority classes, who may use them, and what is used."),
        "pause": ("pool:pause", "Start nothing more; what runs goes on."),
        "resume": ("pool:resume", "Start work again after a pause."),
        "drain": ("pool:drain", "Let what runs end, then end the worker."),
        "worker": ("pool:worker", "Run the worker in the foreground, or stop it."),
        "events": ("events:events", "Who is told of state changes, and how far."),
        "journal": ("journal:journal", "Look at the journal, prune it, back it up."),
        "encoders": ("encoders:encoders", "Which encoders work here, as tried, and how fast."),
        "doctor": ("doctor:doctor", "Check what Rushes needs on this machine."),
        "completion": ("completion:completion", "Print the completion script of a shell."),
    },
}
_WHERE: Final = {name: row for group in COMMANDS.values() for name, row in group.items()}

# \b keeps the lines below it as they are.
_HELP: Final = """Write a function over one clip, run it on thousands.

\b
  rushes run inspect A001.mov
  rushes run proxy ~/footage --out ~/proxies
"""


class _App(click.Group):
    """Commands by name, imported when called; errors of ours told in a line and an exit code."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        if os.environ.get(
            "NO_COLOR"
        ):  # https://no-color.org; click asks whether it writes to a terminal only
            extra.setdefault("color", False)
        return super().make_context(info_name, args, parent, **extra)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the base class' signature
        return list(_WHERE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _WHERE:
            return None
        module, _, attribute = _WHERE[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f"rushes.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for title, rows in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name, help_) for name, (_, help_) in rows.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _WHERE and not args[0].startswith("-"):
            import difflib  # noqa: PLC0415 - only to say what was meant

            near = difflib.get_close_matches(args[0], _WHERE, n=2)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"there is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args[:1] == ["help"]:  # as people know it from git: `help run` is `run --help`
            args = [*args[1:], "--help"]
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            _say_usage(error)
            ctx.exit(2)

    def invoke(self, ctx: click.Context) -> Any:
        if ctx.obj is None:
            ctx.obj = Session()
        try:
            return super().invoke(ctx)
        except RushesError as error:
            from rushes.cli.show import error_lines  # noqa: PLC0415 - only when something is wrong

            for line in error_lines(error):
                click.echo(line, err=True)
            ctx.exit(2 if error.kind == "caller" else 1)
        except click.exceptions.NoArgsIsHelpError as error:  # a group of which no command was named
            click.echo(error.format_message(), err=True)
            ctx.exit(2)
        except click.UsageError as error:
            _say_usage(error)
            ctx.exit(2)
        except (KeyboardInterrupt, click.Abort):
            click.echo(err=True)
            ctx.exit(130)


def _say_usage(error: click.UsageError) -> None:
    """A wrong command line as any other error: what is wrong, then the next step."""
    from rushes.cli.show import error_label  # noqa: PLC0415 - only when something is wrong

    said = error.format_message()
    said = said[:1].lower() + said[1:] if said[1:2].islower() else said
    click.echo(f"{error_label()} {printable(said)}", err=True)
    if error.ctx is not None:
        asked = error.ctx.meta.get("rushes.asked")  # of `rushes.cli.command`, which costs an import
        function = f" {asked.function.name}" if asked is not None else ""
        click.echo(f"  `{error.ctx.command_path}{function} --help` says how it is called.", err=True)


@click.group(
    cls=_App,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help=_HELP,
    epilog="`rushes run FUNCTION --help` shows the options of a function.",
)
@click.version_option(__version__, "--version", message="rushes %(version)s")
def app() -> None:
    """The top of the tree; its help is `_HELP`."""
