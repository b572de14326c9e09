"""What runs took: noted by who works, read by who decides by it."""
