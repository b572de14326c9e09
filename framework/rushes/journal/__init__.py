"""The journal of one machine, on its disk: SQLite. The ledger of many hosts is `rushes.shared_ledger`."""
