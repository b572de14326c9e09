"""An environment from outside: work that is sent to it, followed, paid for, and not taken."""
