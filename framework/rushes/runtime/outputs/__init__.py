"""From a scratch folder to outputs that are there whole, with their receipts, or not at all."""
