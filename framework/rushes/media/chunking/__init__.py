"""One long clip encoded in parts that are made anywhere, and put together as if they had been one."""
