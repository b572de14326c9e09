"""Many renditions of one clip by one decode; their stills; and what players need to choose among them."""
