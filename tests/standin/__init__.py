"""A stand-in for ffmpeg with devices: `fakes` for tests, `program` what runs. This imports nothing."""
