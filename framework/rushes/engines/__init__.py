"""Engines: each builds its own adapters, and none imports another."""
