"""The devices of a host that encode: found, tried, measured, shared out, watched, and tried again."""
