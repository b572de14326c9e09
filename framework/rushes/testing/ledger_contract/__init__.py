"""What every shared ledger promises, as tests: mix `LedgerContract` into a pytest class.

    class TestMyLedger(LedgerContract):
        @pytest.fixture
        def ledger(self) -> Ledger: ...

A part of it for each that asks a ledger, as of its ports. This module must not know which one it examines.
"""

from __future__ import annotations

from rushes.testing.ledger_contract.attempts import AttemptsContract
from rushes.testing.ledger_contract.claims import ClaimsContract
from rushes.testing.ledger_contract.filled import DONE, NOW, SPEC
from rushes.testing.ledger_contract.intake import IntakeContract
from rushes.testing.ledger_contract.lapses import LapsesContract
from rushes.testing.ledger_contract.reading import ReadingContract
from rushes.testing.ledger_contract.steering import SteeringContract

__all__ = ["DONE", "NOW", "SPEC", "LedgerContract"]


class LedgerContract(
    IntakeContract, ClaimsContract, AttemptsContract, LapsesContract, SteeringContract, ReadingContract
):
    """Tests that every shared ledger passes."""
