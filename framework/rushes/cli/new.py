"""`new`: a function with its test and a page of docs, that works as it is written.

This module must not import what it writes.
"""

from __future__ import annotations

import keyword
import os
from pathlib import Path
from string import Template
from typing import Final

import click

from rushes.errors import CallerError, PlatformError

__all__ = ["new"]

_FUNCTION: Final = Template('''\
"""$title: a function over one clip."""

from pydantic import Field

from rushes import Asset, Context, Output, Params, Resources, Result, function


class ${camel}Params(Params):
    """Its options: each field is an option of `rushes run`, with this help and this default."""

    width: int = Field(320, ge=16, le=3840, description="Width of the picture in pixels.")
    at: float = Field(0.0, ge=0, description="Seconds into the clip.")


class ${camel}Result(Result):
    """What it returns: data, and the files that it made."""

    picture: Output
    size_bytes: int


@function(version="1", resources=Resources(cpu=1, memory="1GiB"))
def $name(clip: Asset, params: ${camel}Params, ctx: Context) -> ${camel}Result:
    """Take one picture out of a clip."""
    import ffmpeg

    out = ctx.output(f"{clip.stem}.jpg")
    stream = ffmpeg.input(str(clip.path), ss=params.at)
    ctx.ffmpeg(stream.filter("scale", params.width, -2).output(str(out.path), vframes=1))
    return ${camel}Result(picture=out, size_bytes=out.path.stat().st_size)
''')

_TEST: Final = Template('''\
"""What $name promises."""

import subprocess
from pathlib import Path

import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from rushes import CallerError
from rushes.catalog import find

$name = find(str(Path(__file__).with_name("$name.py")))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    argv = [get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=1"]
    subprocess.run([*argv, str(path)], check=True)
    return path


def test_it_makes_a_picture(clip: Path, tmp_path: Path) -> None:
    result = $name(str(clip), width=32, out=str(tmp_path / "out"))

    assert result.picture.path.read_bytes().startswith(b"\\xff\\xd8")
    assert result.size_bytes == result.picture.path.stat().st_size


def test_a_width_that_is_none_is_refused(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="width"):
        $name(str(clip), width=-1, out=str(tmp_path / "out"))
''')

_PAGE: Final = Template("""\
# $name

Takes one picture out of a clip.

```
rushes run ./$name.py footage/ --out pictures/ --width 640 --at 1.5
```

| option | what it is | default |
| --- | --- | --- |
| `--width` | width of the picture in pixels | 320 |
| `--at` | seconds into the clip | 0 |

The result: `picture`, the file; `size_bytes`, its size.

Raise `version` in `@function(version=...)` whenever the same clip and options would give another result.

To install it for everybody, put it into a package and name it in the package's `pyproject.toml`:

```toml
[project.entry-points."rushes.functions"]
$name = "your_package.$name:$name"
```
""")


@click.command()
@click.argument("name")
@click.option(
    "--into", default=".", type=click.Path(file_okay=False, path_type=Path), help="The folder.  [default: .]"
)
def new(name: str, into: Path) -> None:
    """Write NAME.py, test_NAME.py and NAME.md: a function that works, for you to change."""
    _refuse_name(name)
    camel = "".join(part.capitalize() for part in name.split("_"))
    words = {"name": name, "camel": camel, "title": name.replace("_", " ").capitalize()}
    files = {
        into / f"{name}.py": _FUNCTION,
        into / f"test_{name}.py": _TEST,
        into / f"{name}.md": _PAGE,
    }
    for path in files:
        if os.path.lexists(path):
            raise CallerError(
                f"{path} exists.", code="exists", fix="Choose another name; nothing was written."
            )
    try:
        into.mkdir(parents=True, exist_ok=True)
        for path, template in files.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(template.substitute(words))
    except OSError as error:
        raise PlatformError(
            f"{into} cannot be written: {error.strerror}.", code="no-permission", fix="Name another --into."
        ) from error
    for path in files:
        click.echo(str(path))
    click.echo(f"try it: pytest {into / f'test_{name}.py'}", err=True)
    click.echo(
        f"use it: rushes run {'./' if str(into) == '.' else ''}{into / name}.py CLIP --out DIR", err=True
    )


def _refuse_name(name: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name) or not name.islower() or not name.isascii():
        fixed = "".join(c if c.isascii() and c.isalnum() else "_" for c in name.lower()).strip("_")
        hint = f", such as {fixed}" if fixed.isidentifier() and not keyword.iskeyword(fixed) else ""
        raise CallerError(
            f"{name!r} cannot be a function's name.",
            code="bad-value",
            fix=f"Use lower-case letters, digits and _{hint}.",
        )
