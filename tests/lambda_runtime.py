"""What Lambda does around a handler: AWS's own runtime interface emulator, on loopback, and events of AWS.

The emulator is a program inside the wheel of aws-sam-cli, the client that calls the handler is awslambdaric,
as in the image; ``make test`` installs both into ``.venv-lambda``. What runs there is the wheel of this
checkout with the sources out of reach. The emulator takes one call at a time, as a Lambda does.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
import sysconfig
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from lambda_walls import walls
from waiting import until

ROOT = Path(__file__).parents[1]
_HOME = ROOT / ".venv-lambda"
_EVENTS = """
import json, sys
from samcli.lib.generated_sample_events.events import Events
print(Events().generate_event(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
"""


class Process(NamedTuple):
    """A process as the list of processes has it."""

    name: str
    command: str
    environ: dict[str, str]
    itself: psutil.Process


@dataclass(frozen=True)
class LambdaRuntime:
    """One Lambda: calls of it, and what it wrote."""

    url: str
    log_file: Path
    process: psutil.Popen

    def invoke(self, event: Any, *, timeout_s: float = 120.0) -> Any:
        """What a call is answered with: an object, or the text of the emulator when the time was up."""
        asked = urllib.request.Request(self.url, json.dumps(event).encode(), method="POST")  # noqa: S310
        try:
            with urllib.request.urlopen(asked, timeout=timeout_s) as answer:  # noqa: S310 - loopback
                body = answer.read().decode()
        except urllib.error.HTTPError as error:  # the process under the handler ended: it says so in the body
            body = error.read().decode()
        try:
            return json.loads(body)
        except ValueError:
            return body

    def processes(self, name: str = "") -> list[Process]:
        """Those below the emulator, or those of a name; what ends while it is looked at is left out."""
        found = []
        for one in self.process.children(recursive=True):
            with suppress(psutil.Error):
                seen = Process(one.name(), " ".join(one.cmdline()), dict(one.environ()), one)
                found.append(seen)
        return [one for one in found if not name or one.name == name]

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def said(self) -> list[dict[str, Any]]:
        """The lines of the log that are JSON."""
        lines = (line[line.find("{") :] for line in self.log.splitlines() if "{" in line)
        return [found for line in lines if isinstance(found := _json(line), dict)]


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def emulator() -> Path:
    """The emulator's program; left out by name where it is not installed, a failure with CI=true."""
    machine = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), "none")
    found = [*_HOME.glob(f"lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}")]
    if sys.platform != "linux" or not found:
        if os.environ.get("CI", "").lower() in {"true", "1"}:
            pytest.fail("CI must have Lambda's runtime emulator: `make test` installs it", pytrace=False)
        pytest.skip("left out: needs Lambda's runtime emulator (`make test` installs it)")
    return found[0]


def sam_event(service: str, kind: str, **values: str) -> dict[str, Any]:
    """An event as ``sam local generate-event`` makes it."""
    emulator()
    argv = [str(_HOME / "bin" / "python"), "-c", _EVENTS, service, kind, json.dumps(values)]
    made = subprocess.run(argv, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"})
    return dict(json.loads(made.stdout))


def unpacked_wheel(folder: Path) -> Path:
    """A folder with the wheel of this checkout, as pip would unpack it."""
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "wheel")]
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (folder / "wheel").glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "package")
    return folder / "package"


@contextmanager
def lambda_runtime(
    folder: Path,
    package: Path,
    variables: Mapping[str, str],
    *,
    handler: str = "work",
    timeout_s: int = 60,
    walled: bool = False,
) -> Iterator[LambdaRuntime]:
    """A Lambda of the image's entry point, with `package` and the libraries that this environment has.

    Args:
        folder: for its log, and its scratch where it has no walls.
        package: the wheel, unpacked, and modules beside it.
        variables: of it.
        handler: of the entry.
        timeout_s: that a call may take.
        walled: it finds what Lambda has, and no more.
    """
    program = emulator()
    scratch = folder / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    port, inner = _free_ports(2)
    environ = {
        "PATH": f"{_HOME / 'bin'}:{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        **({"HOME": "/tmp"} if walled else {"HOME": str(scratch), "TMPDIR": str(scratch)}),
        # A folder named here is not searched for .pth files: this checkout's own sources stay out.
        "PYTHONPATH": f"{package}:{sysconfig.get_paths()['purelib']}",
        "AWS_LAMBDA_FUNCTION_NAME": "rushes-test",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout_s),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "2048",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        **variables,
    }
    argv = [
        str(program),
        "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
        "--runtime-api-address", f"127.0.0.1:{inner}",
        "--log-level", "error",
        *(walls(ROOT, package) if walled else ()),
        str(ROOT / "infra" / "entrypoint.sh"), f"rushes.engines.aws.entry.{handler}",
    ]  # fmt: skip
    log_file = folder / "lambda.log"
    with log_file.open("wb") as log:
        process = psutil.Popen(argv, env=environ, stdout=log, stderr=log, cwd=scratch)
    url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
    try:
        until(lambda: _listens(port) or process.poll() is not None)
        assert process.poll() is None, log_file.read_text()
        yield LambdaRuntime(url, log_file, process)
    finally:
        _end(process)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody has at this moment."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _end(process: psutil.Popen) -> None:
    """End the emulator, the handler and whatever that has started."""
    family = [process, *process.children(recursive=True)] if process.is_running() else []
    for one in family:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait(10)
