"""How many hosts of which tier there are to be, and which of them an invocation goes to."""
