"""The pure core: decisions as values. No clock, randomness, environment, logging, files, threads, SDK."""
