"""What is known of work before it is sent: its batch, its keys, what it will take and what it will cost."""
