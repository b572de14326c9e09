"""What people wrote down for a machine: its settings; files of classes, capacity, prices and events."""
