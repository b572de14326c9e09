"""Clips and outputs that are objects in a store: named, fetched, described, published with their receipts."""
