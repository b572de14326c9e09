"""Rushes on AWS: S3, SQS, DynamoDB, Lambda. The composition root of everything that runs there."""
