"""What cannot be sent to an environment on AWS, said before anything is. This module must not ask AWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rushes.errors import CallerError
from rushes.storage.s3_uri import place_of

if TYPE_CHECKING:
    from rushes.function import Function, Options

__all__ = ["check_sendable", "place_of_outputs", "refuse_tiers"]


def check_sendable(function: Function[Any, Any], options: Options) -> None:
    """Refuse what only a pool of one machine can do, and functions that no image has.

    Raises:
        CallerError: naming the option, or the function.
    """
    if function.path is not None:
        raise CallerError(
            f"function {function.name} is a file, {function.path}; who works on AWS has modules.",
            code="bad-function",
            fix="Put it into a package that the image has, and name it MODULE:FUNCTION.",
        )
    only_here = {
        "--after": options.after,
        "--exclusive": options.exclusive or function.exclusive,
        "--slots": options.slots,
    }
    for name, value in only_here.items():
        if value:
            raise CallerError(
                f"{name} is kept by a pool of one machine; an environment on AWS does not know it.",
                code="not-supported",
                fix=f"Leave {name} out, or run it here: --engine local.",
            )
    if options.receipts not in {"beside", "none"}:
        raise CallerError(
            f"receipts cannot go to {options.receipts!r} from another machine.",
            code="not-supported",
            fix="Say --receipts beside or none.",
        )


def refuse_tiers(tiers: Mapping[str, int]) -> None:
    """Refuse to reckon with machines that an environment does not have.

    Raises:
        CallerError: some are named (``not-supported``).
    """
    if tiers:
        raise CallerError(
            f"{', '.join(tiers)} is asked about, and an environment has the tiers that it was deployed with.",
            code="not-supported",
            fix="Leave --tier out; `rushes simulate` tries others.",
        )


def place_of_outputs(out: str) -> str:
    """Where outputs go: a prefix of a bucket.

    Raises:
        CallerError: it is none.
    """
    if "://" not in out[:12]:
        raise CallerError(
            f"{out} is a folder of this machine, and outputs are made elsewhere.",
            code="not-local",
            fix="Write --out s3://BUCKET/PREFIX, or run it here: --engine local.",
        )
    place_of(f"{out.rstrip('/')}/output")
    return out.rstrip("/")
