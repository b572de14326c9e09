"""The runtime: what carries an invocation from the submitter to its result on one machine."""
