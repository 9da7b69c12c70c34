"""``lading images``: get, list and delete images of a service."""

import json
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..loading import InOrder
from ..output.tables import print_table
from .connecting import Service, client_of, printable, readable, service_options, told
from .documents import each, ids_argument, json_option, limit_option

if TYPE_CHECKING:
    from ....client import Image


@click.group("images", cls=InOrder)
def images_group() -> None:
    """See, download and delete the images of a service."""


@images_group.command("list")
@click.option("--album", metavar="ALBUM", help="Only this album.")
@limit_option
@json_option
@service_options
def list_command(service: Service, album: str | None, limit: int, *, is_json: bool) -> None:
    """List images, the newest first."""
    with client_of(service) as client, told():
        images = list(islice(client.iter_images(album_id=album, page_size=min(limit, 200)), limit))
    if is_json:
        for image in images:
            click.echo(json.dumps(image.raw, ensure_ascii=False))
        return
    print_table([("ID", "FORMAT", "PIXELS", "SIZE", "NAME"), *(_row(image) for image in images)])


@images_group.command("get")
@click.argument("image_id", metavar="ID")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File or folder; '-' for standard output.")
@service_options
def get_command(service: Service, image_id: str, output: Path | None) -> None:
    """Download an image into a file.

    By default the file is in the working directory, under the name of the image.
    """
    with client_of(service) as client, told():
        if output is not None and str(output) == "-":
            for chunk in client.iter_content(image_id):
                sys.stdout.buffer.write(chunk)
            return
        path = output or Path()
        if path.is_dir():
            path /= _name(client.get_image(image_id))
            if path.exists():  # the name is a stranger's
                raise click.ClickException(f"{path} exists; name the file with --output")
        try:
            client.download(image_id, path)
        except OSError as error:
            raise click.ClickException(str(error)) from None
    click.echo(path)


@images_group.command("delete")
@ids_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@service_options
def delete_command(service: Service, ids: tuple[str, ...], *, yes: bool) -> None:
    """Delete images; their imports stay."""
    if not yes:
        click.confirm(f"Delete {len(ids)} images?", abort=True, err=True)
    each(service, ids, lambda client, one: client.delete_image(one), "deleted")


def _name(image: "Image") -> str:
    """A file name that stays in its folder."""
    name = Path(image.filename or "").name.lstrip(".")
    return printable(name) or f"{image.id}.{image.format.lower()}"


def _row(image: "Image") -> tuple[str, ...]:
    size = f"{image.width}x{image.height}"
    return image.id, image.format, size, readable(image.byte_size), printable(image.filename or "")
