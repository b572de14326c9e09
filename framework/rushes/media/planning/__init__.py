"""From a wish to a command, without running anything: picture, sound, time, colour, rates, filters."""
