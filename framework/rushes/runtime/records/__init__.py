"""What a worker asks of its journal, as narrow ports, and the rows that these carry."""
