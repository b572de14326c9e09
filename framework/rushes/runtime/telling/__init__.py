"""State changes on their way out: as others read them, signed, and told until they were heard."""
