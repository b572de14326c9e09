"""Attempts of a ledger that many hosts share: what Lambdas and hosts do alike, with clips in a store."""
