"""What the values of an encoder's quality scale are worth, and which value to try next. Pure."""
