"""Adapters that keep the ledger durable; SQLite for one machine."""
