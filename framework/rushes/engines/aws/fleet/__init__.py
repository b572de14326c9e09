"""How many hosts and Lambdas there are to be: ECS as a fleet, and the turns of the scaler."""
