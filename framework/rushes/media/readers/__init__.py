"""How a clip's bytes are reached: allowed, handed to a sealed process that reads them, and asked about."""
