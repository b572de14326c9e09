"""The functions that Rushes ships: plug-ins like anybody's, found by entry point, built on the public door.

`inspect` describes a clip, `proxy` makes an editing proxy, `transcode` makes anything else. They import
`rushes` and `rushes.media` only.
"""
