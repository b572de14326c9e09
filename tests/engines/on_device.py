"""Functions that ask for an encoder, for test_encoders: in a file of their own, as an author has them."""

from rushes import Asset, Context, Output, Resources, Result, function
from rushes.media.profile import Profile

_PROFILE = Profile.model_validate({"video": {"codec": "h264", "speed": "ultrafast"}})


class Made(Result):
    """What came out."""

    file: Output
    encoder: str


@function(version="1", resources=Resources(encoder="nvenc"))
def wishes(clip: Asset, ctx: Context) -> Made:
    """Encode on a GPU, or elsewhere."""
    out = ctx.output("made.mp4")
    return Made(file=out, encoder=ctx.encode(clip, out, _PROFILE).encoder)


@function(version="1", resources=Resources(encoder="nvenc", fallback=20))
def promises(clip: Asset, ctx: Context) -> Made:
    """Encode on a GPU, or elsewhere at VMAF 20 and more."""
    out = ctx.output("made.mp4")
    wish = _PROFILE.video.model_copy(update={"quality": 20.0})
    made = ctx.encode(clip, out, _PROFILE.model_copy(update={"video": wish}))
    return Made(file=out, encoder=made.encoder)


@function(version="1", resources=Resources(encoder="nvenc", fallback="forbid"))
def insists(clip: Asset, ctx: Context) -> Made:
    """Encode on a GPU or not at all."""
    out = ctx.output("made.mp4")
    return Made(file=out, encoder=ctx.encode(clip, out, _PROFILE).encoder)


@function(version="1", resources=Resources(encoder="nvidia"))
def misspells(clip: Asset, ctx: Context) -> Made:
    """Name a family that is none."""
    out = ctx.output("made.mp4")
    return Made(file=out, encoder=ctx.encode(clip, out, _PROFILE).encoder)
