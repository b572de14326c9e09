"""What tests of functions and engines are made with: stubs, a fake clock and the suites that adapters pass.

Shipped, so that users test with what Rushes is tested with.
"""

from __future__ import annotations

from rushes.testing.clock import FakeClock
from rushes.testing.fleet import StubFleet
from rushes.testing.stub import StubEngine

__all__ = ["FakeClock", "StubEngine", "StubFleet"]
