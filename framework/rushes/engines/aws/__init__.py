"""Rushes on AWS: S3, SQS, DynamoDB, Lambda. The composition root of everything that runs there.

Three doors: `engine` for who sends work, `entry` for what Lambda calls, `worker` for a machine that takes
work. Their names stand in entry points and in templates that are deployed, so they stay; what they open lies
in rooms.
"""
