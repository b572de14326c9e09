"""Where the bytes of assets live when that is not this machine's file system.

The local file system needs no adapter: the acts that publication relies on are `rushes.runtime.files`, and
what a local source is, `rushes.runtime.sources.fingerprint`. They are below: the runtime itself needs them.
"""
