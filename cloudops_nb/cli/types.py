"""``cloudops-nb types``: which resource types a scan knows."""

from __future__ import annotations

import click

from cloudops_nb.cli.opening import opened_client
from cloudops_nb.cli.render import TYPES, print_frame
from cloudops_nb.settings import load_settings


@click.command()
@click.option("--cloud-control", is_flag=True, help="Ask AWS, too, which types Cloud Control lists beyond them.")
@click.option("--account", default="", help="The account to ask; the first one if not given.")
@click.option("--markdown", is_flag=True, help="Print what each declared type needs and gives, as Markdown.")
@click.pass_context
def types(context: click.Context, cloud_control: bool, account: str, markdown: bool) -> None:
    """List the resource types that a scan knows."""
    if markdown:
        from cloudops_nb.scanner.inventory.coverage import coverage_markdown as coverage
        from cloudops_nb.specs.files import specs_of

        click.echo(coverage(specs_of(load_settings(context.obj).data_path)), nl=False)
        return
    print_frame(opened_client(context, new=True).resource_types(cloud_control=cloud_control, account=account), TYPES)
