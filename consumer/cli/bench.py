"""`advet bench`: what measurements need and cannot download."""

import json
from pathlib import Path
from typing import Literal

import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from consumer.cli.program import command_line
from consumer.errors import StartRefused


@click.group("bench")
def bench_group() -> None:
    """What measurements need and cannot download."""


@bench_group.command("make-model")
@click.option(
    "--shape", type=click.Choice(["tiny", "7b"]), default="tiny", show_default=True,
    help="tiny: 1.2 million weights, float32, 5 MB; 7b: Qwen2-VL-7B's own shape, bfloat16, 17 GB, minutes.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="The same seed, the same weights."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
def make_model(shape: Literal["tiny", "7b"], seed: int, as_json: bool, out: Path) -> None:
    """Write a Qwen2-VL model with random weights into the folder OUT, which must be new or empty.

    It loads like a downloaded one, so everything but the sense of its answers can be tried without a hub.
    """
    try:
        from consumer.inference import model_folder
    except ModuleNotFoundError as error:
        raise StartRefused(
            f"making a model needs {error.name}, which is not installed here: pip install 'advet[bench]'"
        ) from error
    columns = TextColumn("weights"), BarColumn(bar_width=36), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("weights", total=None)
        try:
            made = model_folder.write(
                shape, out, seed, lambda written, total: progress.update(bar, completed=written, total=total)
            )
        except OSError as error:
            raise click.ClickException(f"cannot write {out}: {error.strerror}") from error
    if as_json:
        facts = {"folder": str(made.folder), "parameters": made.parameters, "weight_bytes": made.weight_bytes}
        click.echo(json.dumps(facts))
        return
    click.echo(f"{made.folder}: {made.parameters:,} parameters, {made.weight_bytes:,} bytes")
    device = () if shape == "7b" else ("--gpu-device", "cpu")
    click.echo(f"next: {command_line('run', '--gpu-model', str(made.folder), *device)}", err=True)
