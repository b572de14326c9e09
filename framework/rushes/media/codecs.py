"""The encoder catalogue under its former name; `rushes.media.encoders` is the place to import it from."""

from __future__ import annotations

from rushes.media.encoders import VIDEO_ENCODERS, OptionRule, Quality, Raster, Variant, VideoEncoder

__all__ = ["VIDEO_ENCODERS", "OptionRule", "Quality", "Raster", "Variant", "VideoEncoder"]
