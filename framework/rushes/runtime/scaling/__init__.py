"""The size of a pool over time, carried out: looked at, decided by the core, ordered."""
