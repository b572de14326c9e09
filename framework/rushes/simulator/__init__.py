"""A pool on a virtual clock, under the very scheduler that runs the real ones."""
