"""Which devices this host has that may encode, found without any vendor's library.

What is cheap (device nodes, what the kernel says of them) is looked at every time and tells whether an old
probe still holds; what a vendor's tool adds (models, cards in the order that its encoders count them) is
asked only while probing. A tool that is absent, fails or hangs adds nothing and is no error. This module must
not know encoders.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from rushes.errors import RushesError
from rushes.media.devices.capability import SeenDevice
from rushes.media.running.process import Limits, Supervision, run_tool

__all__ = ["Nodes", "find_devices", "look"]

_ASK_S: Final = 10.0
_NVIDIA: Final = re.compile(r"^GPU (\d+): (.+?) \(UUID: ", re.MULTILINE)
_NVIDIA_VERSION: Final = re.compile(r"Kernel Module\s+(?:for \S+\s+)?([\d.]+)")
_NVME: Final = re.compile(r"/dev/nvme\d+")
_AMA: Final = re.compile(r"/dev/ama_transcoder\d+|\b[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]\b")
_NETINT_MODEL: Final = re.compile(r"netint|quadra|t408|codensity", re.IGNORECASE)
_INTEL, _AMD, _NVIDIA_PCI = "0x8086", "0x1002", "0x10de"


@dataclass(frozen=True, slots=True)
class Nodes:
    """What can be seen without starting anything: device nodes by kind, and driver versions.

    Args:
        nvidia: ``/dev/nvidia0``, …; on WSL 2 ``/dev/dxg``, on which its driver works.
        netint: NVMe controllers whose model is a NETINT card.
        ama: ``/dev/ama_transcoder0``, ….
        render: render nodes with the vendor of their card.
        drivers: version by name.
    """

    nvidia: tuple[str, ...] = ()
    netint: tuple[str, ...] = ()
    ama: tuple[str, ...] = ()
    render: tuple[tuple[str, str], ...] = ()
    drivers: Mapping[str, str] = field(default_factory=dict)


def look(root: Path = Path("/")) -> Nodes:
    """The device nodes of this host."""
    nvidia = _numbered(root / "dev", "nvidia") or [n for n in (root / "dev/dxg",) if n.exists()]
    cards = [
        (f"/dev/{one.name}", _text(one / "firmware_rev"))
        for one in _sorted((root / "sys/class/nvme").glob("nvme*"))
        if _NETINT_MODEL.search(_text(one / "model"))
    ]
    drivers = {Path(path).name: version for path, version in cards if version}
    found = _NVIDIA_VERSION.search(_text(root / "proc/driver/nvidia/version"))
    version = found[1] if found else _text(root / "sys/module/nvidia/version")
    if version:
        drivers["nvidia"] = version
    for module in ("i915", "xe", "amdgpu", "ama_transcoder"):
        if version := _text(root / f"sys/module/{module}/version"):
            drivers[module] = version
    render = [
        (f"/dev/dri/{one.name}", _text(root / f"sys/class/drm/{one.name}/device/vendor"))
        for one in _numbered(root / "dev/dri", "renderD")
    ]
    return Nodes(
        nvidia=tuple(f"/dev/{one.name}" for one in nvidia),
        netint=tuple(path for path, _ in cards),
        ama=tuple(f"/dev/{one.name}" for one in _numbered(root / "dev", "ama_transcoder")),
        render=tuple(render),
        drivers=drivers,
    )


def find_devices(nodes: Nodes, ask: Callable[[str, list[str]], str] | None = None) -> tuple[SeenDevice, ...]:
    """The devices of this host, with what the vendors' tools know of them.

    Args:
        nodes: what `look` saw.
        ask: gives the output of a tool, "" if there is none; for tests.
    """
    ask = ask or _ask
    nvidia_driver = nodes.drivers.get("nvidia", "")
    return (
        *(replace(one, driver=nvidia_driver) for one in _nvidia(nodes, ask)),
        *_netint(nodes, ask),
        *_ama(nodes, ask),
        *(
            SeenDevice("qsv", number, path, "Intel")
            for number, (path, vendor) in enumerate(one for one in nodes.render if one[1] == _INTEL)
        ),
        *(
            SeenDevice("vaapi", number, path, {_INTEL: "Intel", _AMD: "AMD"}.get(vendor, ""))
            # NVIDIA's VA-API driver only decodes.
            for number, (path, vendor) in enumerate(one for one in nodes.render if one[1] != _NVIDIA_PCI)
        ),
    )


def _nvidia(nodes: Nodes, ask: Callable[[str, list[str]], str]) -> list[SeenDevice]:
    listed = _NVIDIA.findall(ask("nvidia-smi", ["-L"]))
    if listed:
        # A container may be given /dev/nvidia3 alone, which is number 0 to everything inside it.
        same = len(listed) == len(nodes.nvidia)
        return [
            SeenDevice("nvenc", int(number), nodes.nvidia[at] if same else "", model)
            for at, (number, model) in enumerate(listed)
        ]
    return [SeenDevice("nvenc", number, path) for number, path in enumerate(nodes.nvidia)]


def _netint(nodes: Nodes, ask: Callable[[str, list[str]], str]) -> list[SeenDevice]:
    # Its output is no valid JSON, whatever is asked for; the names of the nodes are all that is needed here.
    listed = list(dict.fromkeys(_NVME.findall(ask("ni_rsrc_mon", ["-n", "1", "-o", "json"]))))
    return [
        SeenDevice("netint", number, path, driver=nodes.drivers.get(Path(path).name, ""))
        for number, path in enumerate(listed or nodes.netint)
    ]


def _ama(nodes: Nodes, ask: Callable[[str, list[str]], str]) -> list[SeenDevice]:
    if nodes.ama:
        return [SeenDevice("ama", number, path, "MA35D") for number, path in enumerate(nodes.ama)]
    listed = list(dict.fromkeys(_AMA.findall(ask("mautil", ["examine"]))))
    return [
        SeenDevice("ama", number, f"/dev/ama_transcoder{number}", "MA35D") for number in range(len(listed))
    ]


def _ask(tool: str, args: list[str]) -> str:
    """A tool's output; "" where it is absent, fails, or does not answer in time."""
    path = shutil.which(tool)
    if path is None:
        return ""
    try:
        run = run_tool([path, *args], supervision=Supervision(limits=Limits(stall_s=None, time_s=_ASK_S)))
    except RushesError:  # there, but cannot be started: as good as absent
        return ""
    return run.stdout_tail if run.ok else ""


def _numbered(folder: Path, prefix: str) -> list[Path]:
    return [one for one in _sorted(folder.glob(f"{prefix}*")) if one.name.removeprefix(prefix).isdigit()]


def _sorted(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: (len(path.name), path.name))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
