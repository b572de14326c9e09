"""What Rushes knows of media: sources guarded, tools started and watched, results verified.

Each module is imported where it is used (`from rushes.media.running.process import run_ffmpeg`): nothing is
loaded here, for PyAV and ffmpeg's wrappers take longer to import than the whole command line.
"""
