"""`pushpull presets`: which exports of other systems can be imported, how, and small files to try it with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.common import out, tell

if TYPE_CHECKING:
    from pushpull.importers.presets import Preset
    from pushpull.importers.shapes import FieldMap, Shape

presets = typer.Typer(
    help="Which exports of other systems `pushpull import` understands, and small files to try it with.",
    invoke_without_command=True,
)

Name = Annotated[str, typer.Argument(help="A shipped preset's name, as `pushpull presets` lists it, or a YAML file.")]

#: Which command imports what a shape writes.
_COMMANDS = {
    "people": "people",
    "items": "catalogue",
    "sections": "catalogue",
    "progress": "records",
    "activity": "records",
}


@presets.callback()
def list_presets(context: typer.Context) -> None:
    """List the presets that ship."""
    if context.invoked_subcommand is not None:
        return
    from pushpull.importers.presets import load_preset, preset_names

    table = Table("preset", "reads", "as", box=None)
    for name in preset_names():
        preset = load_preset(name)
        kinds = list(dict.fromkeys(shape.writes.value for shape in preset.shapes))
        table.add_row(name, escape(preset.description), ", ".join(kinds))
    out.print(table)
    tell("`pushpull presets show NAME` says which columns it reads, where they are documented, and what to type.")


@presets.command("show")
def show(name: Name) -> None:
    """Say which files a preset reads, what it makes of their columns, and where these are documented."""
    from pushpull.importers.presets import load_preset

    preset = load_preset(name)
    tell(f"{preset.name}: {preset.description}")
    for address in preset.documented_at:
        tell(f"  documented at {address}")
    if preset.empty:
        tell(f"  cells that stand for nothing: {', '.join(preset.empty)}")
    if preset.params:
        tell("parameters, each as --param NAME=VALUE:")
    for key, param in preset.params.items():
        default = "" if param.default is None else f" Default: {param.default or '(empty)'}."
        tell(f"  {key} ({param.kind}): {param.description}{default}")
    for shape in preset.shapes:
        _show_shape(name, preset, shape)


@presets.command("sample")
def write_samples(
    name: Name,
    to: Annotated[Path, typer.Option(file_okay=False, help="The folder they go to; made if it is not there.")] = Path(),
) -> None:
    """Write a preset's sample files, which speak of invented people, to a folder."""
    from pushpull.importers.presets import load_preset, sample_of

    preset = load_preset(name)
    paths = dict.fromkeys(path for shape in preset.shapes if (path := sample_of(name, shape)) is not None)
    to.mkdir(parents=True, exist_ok=True)
    for path in paths:
        target = to / path.name
        if target.exists() and target.read_bytes() != path.read_bytes():
            raise SampleInTheWayError(target)
        target.write_bytes(path.read_bytes())
        tell(f"{target}")
    if not paths:
        tell(f"preset {name!r} has no sample files")


class SampleInTheWayError(ValueError):
    """A file of somebody's own has the name of a sample."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is there and is another file: choose another folder with --to")


def _show_shape(name: str, preset: Preset, shape: Shape) -> None:
    tell("")
    tell(f"{shape.name} → {shape.writes.value}")
    if shape.about:
        tell(f"  {shape.about}")
    needed = _needed(preset, shape)
    asked = "".join(f" --param {each}=…" for each in needed)
    tell(f"  pushpull import {_COMMANDS[shape.writes.value]} FILE --preset {name}{asked}")
    if shape.sample:
        tell(f"  sample: {shape.sample}")
    if shape.learner_by.value != "external_id":
        tell(f"  people are known by their {shape.learner_by.value}")
    width = max(map(len, shape.fields))
    for field, source in shape.fields.items():
        tell(f"    {field:<{width}}  ← {_origin(source)}")


def _origin(field: FieldMap) -> str:
    if field.columns:
        return " | ".join(column or "(no name)" for column in field.columns)
    return field.template or f"always {field.constant}"


def _needed(preset: Preset, shape: Shape) -> list[str]:
    """The parameters without a default that a shape uses."""
    text = shape.model_dump_json()
    return [key for key, param in preset.params.items() if param.default is None and f"{{{key}}}" in text]
