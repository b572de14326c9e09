"""The process that owns a machine's journal and slots, and what clients say to it over its socket."""
