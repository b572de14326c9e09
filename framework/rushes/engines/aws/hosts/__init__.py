"""A machine that takes work from shared queues, whoever it belongs to, and who may end it."""
