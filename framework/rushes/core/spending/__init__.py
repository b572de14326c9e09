"""What work costs, and caps that it cannot go over: prices, machines shared out, reservations, quotes."""
