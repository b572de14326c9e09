"""Starts a tool in its box, and sees to it that nothing of it is left whatever passes through.

What the system says of a tool that cannot be started becomes an error of ours here. This module must not know
what is heard of a tool while it runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Final

from rushes.errors import CallerError, PlatformError
from rushes.media.running.box import Box
from rushes.media.running.child import Child, Rlimits, environment
from rushes.media.running.namespace import Namespace
from rushes.media.running.supervision import Supervision

__all__ = ["reap", "started"]

# A killed process that is stuck in the kernel (a dead network mount) cannot be waited for.
_LAST_WAIT_S: Final = 10.0
# Beside its frames a tool maps its libraries and a stack a thread: 5.1 needs 0.4 GiB before the first frame.
_HEADROOM_BYTES: Final = 1024**3


@contextmanager
def started(
    argv: tuple[str, ...],
    supervision: Supervision,
    box: Box,
    *,
    stdin: IO[bytes] | int | None,
    environ: Mapping[str, str] | None,
) -> Iterator[Child]:
    """A tool that runs, until the end of the block: then it is dead and waited for.

    Args:
        argv: the tool and its arguments.
        supervision: its limits, its folder and what it reads.
        box: that it is started in.
        stdin: what it reads; None for nothing.
        environ: its environment; None for ours without credentials.

    Raises:
        CallerError: it is not there or cannot be executed (``bad-tool``).
        PlatformError: the system could not start it (``tool-not-started``).
    """
    child: Child | None = None
    try:
        child = _start(argv, supervision, box, stdin=stdin, environ=environ)
        yield child
    finally:
        # Whatever passes through here, Ctrl-C included, does so after the tool is dead.
        if child is not None:
            if child.exit_status is None:
                child.kill()
                reap(child)
            child.close()


def _start(
    argv: tuple[str, ...],
    supervision: Supervision,
    box: Box,
    *,
    stdin: IO[bytes] | int | None,
    environ: Mapping[str, str] | None,
) -> Child:
    limits = supervision.limits
    space = limits.memory_bytes if limits.address_space else None
    try:
        boxed = box.around(argv, environ=environment(environ), cwd=supervision.cwd, reads=supervision.reads)
        namespace = None if boxed.told is None else Namespace(boxed.told)
        try:
            return Child(
                boxed.argv,
                environ=boxed.environ,
                stdin=stdin,
                cwd=supervision.cwd,
                limits=Rlimits(
                    address_space_bytes=None if space is None else space + _HEADROOM_BYTES,
                    file_bytes=limits.output_bytes,
                    cpu_s=limits.cpu_s,
                ),
                keep_open=boxed.keep_open,
                restrict=boxed.restrict,
                namespace=namespace,
            )
        except BaseException:
            if namespace is not None:
                namespace.close()
            raise
        finally:
            boxed.started()
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        raise CallerError(
            f"{argv[0]} cannot be started: {error.strerror}.",
            code="bad-tool",
            fix="Check that it is installed and executable, and that the folder it runs in is there.",
            details={"argv": list(argv)},
        ) from error
    except (OSError, ValueError) as error:
        raise PlatformError(
            f"{argv[0]} could not be started: {error}.",
            code="tool-not-started",
            fix="It is tried again; if it stays so, look at the limits of this user (`ulimit -a`).",
            details={"argv": list(argv)},
        ) from error


def reap(child: Child) -> None:
    """Wait for a tool that has ended or was killed, for a while."""
    deadline = time.monotonic() + _LAST_WAIT_S
    while not child.has_ended():
        if time.monotonic() > deadline:
            return  # stuck in the kernel; it dies when the kernel lets go of it
        time.sleep(0.01)
    child.reap()
