"""Rushes: write a function over one clip, run it on thousands.

The public door. Everything here is imported on first use, so that ``import rushes`` costs nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rushes.asset import Asset, FrameRange, Output
    from rushes.batch import Batch, Handle, Outcome
    from rushes.context import Context
    from rushes.declaration import Params, Resources, Result
    from rushes.decorator import function
    from rushes.errors import (
        CallerError,
        Cancelled,
        MediaError,
        PlatformError,
        PolicyError,
        RushesError,
    )
    from rushes.function import Function
    from rushes.media.profile import Profile
    from rushes.triggers import on_folder, on_s3, on_schedule, on_sqs

__version__ = "0.1.0"

__all__ = [
    "Asset",
    "Batch",
    "CallerError",
    "Cancelled",
    "Context",
    "FrameRange",
    "Function",
    "Handle",
    "MediaError",
    "Outcome",
    "Output",
    "Params",
    "PlatformError",
    "PolicyError",
    "Profile",
    "Resources",
    "Result",
    "RushesError",
    "function",
    "on_folder",
    "on_s3",
    "on_schedule",
    "on_sqs",
    "together",
]

_HOMES = {
    "asset": ("Asset", "FrameRange", "Output"),
    "context": ("Context",),
    "errors": (
        "CallerError",
        "Cancelled",
        "MediaError",
        "PlatformError",
        "PolicyError",
        "RushesError",
    ),
    "batch": ("Batch", "Handle", "Outcome"),
    "decorator": ("function",),
    "declaration": ("Params", "Resources", "Result"),
    "function": ("Function",),
    "joint": ("together",),
    "media.profile": ("Profile",),
    "triggers": ("on_folder", "on_s3", "on_schedule", "on_sqs"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        msg = f"module 'rushes' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"rushes.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Door(ModuleType):
    """Keeps ``rushes.function`` the decorator: importing the module of that name would hide it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "function" and isinstance(value, ModuleType):
            return
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Door
