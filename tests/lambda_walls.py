"""The walls that Lambda puts around an image: a root that cannot be written, nobody's user, a small `/tmp`.

What AWS says of it: https://docs.aws.amazon.com/lambda/latest/dg/images-create.html#images-reqs. There is no
`/dev/shm`, no program that starts a box, and no namespace may be made.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

import pytest

SCRATCH_BYTES = 512 * 1024**2
"""Of `/tmp`, where nothing else is asked for."""
USER, GROUP = 993, 990
_NODES = ("null", "zero", "full", "random", "urandom")


def walls(*readable: Path) -> list[str]:
    """What a command is begun with to run in there; these folders can be read, wherever they are."""
    bwrap = shutil.which("bwrap")
    if sys.platform != "linux" or bwrap is None:
        if os.environ.get("CI", "").lower() in {"true", "1"}:
            pytest.fail("CI must have bubblewrap: .ci/run installs it", pytrace=False)
        pytest.skip("left out: needs bubblewrap, on Linux")
    argv = [
        bwrap,
        "--unshare-user",
        "--disable-userns",
        "--unshare-pid",
        "--unshare-ipc",
        "--die-with-parent",
    ]
    argv += ["--uid", str(USER), "--gid", str(GROUP), "--cap-drop", "ALL"]
    argv += ["--ro-bind", "/", "/", "--proc", "/proc", "--tmpfs", "/sys", "--tmpfs", "/dev"]
    for node in _NODES:
        argv += ["--dev-bind", f"/dev/{node}", f"/dev/{node}"]
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        argv += ["--symlink", f"/proc/self/fd{target}", f"/dev/{name}"]
    argv += ["--ro-bind", "/dev/null", bwrap, "--remount-ro", "/dev", "--remount-ro", "/sys"]
    argv += ["--size", str(SCRATCH_BYTES), "--tmpfs", "/tmp"]
    interpreter = [Path(one) for one in (sys.prefix, sys.base_prefix, sysconfig.get_paths()["purelib"])]
    for folder in dict.fromkeys([*interpreter, *readable]):
        argv += ["--ro-bind", str(folder), str(folder)]
    return [*argv, "--chdir", "/tmp", "--"]
