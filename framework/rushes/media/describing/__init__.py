"""What a clip is: containers, streams, colour, time, sequences; and whether its header tells the truth."""
