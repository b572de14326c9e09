"""What invocations will take, learnt from what others took."""
