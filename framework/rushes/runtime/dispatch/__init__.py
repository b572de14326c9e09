"""The scheduler's commands, carried out on one machine: admitted, lent, heard, displaced, paid, reported."""
