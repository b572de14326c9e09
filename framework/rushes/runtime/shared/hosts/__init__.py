"""What a host has that a Lambda has not: a pool of its own, and a health that it looks at."""
