"""What Lambda calls: functions, the router of events, and what tells of changes and of trials."""
