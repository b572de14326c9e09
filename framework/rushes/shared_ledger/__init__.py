"""Adapters of the ledger that many hosts share, and of its queues: DynamoDB and SQS."""
