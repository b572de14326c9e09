"""One encode: described, planned, run, tried on another encoder where one fails, verified."""
