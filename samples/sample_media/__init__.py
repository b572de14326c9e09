"""The recipes behind `samples/make_media.py`: small clips of many kinds, and what is true of each.

Nothing here may import `rushes`: what tests compare with must not come from the code under test.
"""
