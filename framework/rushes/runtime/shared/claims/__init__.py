"""One piece of work of a shared ledger, from its claim to its end: run, watched, and said there."""
