"""Infrastructure as data: what functions declare becomes a template of CloudFormation, and is deployed.

Everything here but `executor` is pure: functions and an `Environment` in, a dictionary out.
"""
