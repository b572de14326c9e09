"""Messages about work: what they say, sent again where one was lost or set aside, sent on one class lower."""
