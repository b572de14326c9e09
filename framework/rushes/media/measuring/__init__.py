"""How like its source a result is, and the value that makes it as like as somebody wants. Encodes to know."""
