"""What a process on AWS is told, what it talks to, and what it lets an attempt reach."""
