"""Infrastructure as data: what functions declare becomes a template of CloudFormation, and is deployed.

Everything here but `executor`, `emptiness`, `image_build` and `deployment`, which ask AWS or run what builds
an image, is pure: functions and an `Environment` in, a dictionary out.
"""
