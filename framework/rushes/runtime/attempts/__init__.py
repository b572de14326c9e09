"""One try at an invocation, wherever it runs: the author's body between its clip and what it publishes."""
