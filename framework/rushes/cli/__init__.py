"""The `rushes` command. Importing it costs click; everything else is imported by the command that runs."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the ``rushes`` script; ends the process with the exit code of the CLI contract."""
    if sys.platform == "win32":
        sys.exit("Rushes does not run on Windows itself. Run it inside WSL 2: it works there.")
    from rushes.cli.app import app  # noqa: PLC0415 - after the platform is known to do

    app(prog_name="rushes")
