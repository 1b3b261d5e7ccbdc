"""``cloudops-nb iam-policy``: the permissions that a scan needs, as a policy to attach."""

from __future__ import annotations

import json

import click

from cloudops_nb.settings import load_settings

PARTITIONS = ("aws", "aws-cn", "aws-us-gov")


@click.command(name="iam-policy")
@click.option("--type", "types", multiple=True, help="A resource type or a service; may be repeated. All if not given.")
@click.option("--every-detail", is_flag=True, help="Also what a scan reads only when asked for every detail.")
@click.option("--managed", is_flag=True, help="Print a list of policies, each small enough for a managed policy.")
@click.option("--partition", default=PARTITIONS[0], show_default=True, type=click.Choice(PARTITIONS))
@click.pass_context
def iam_policy(
    context: click.Context, types: tuple[str, ...], every_detail: bool, managed: bool, partition: str
) -> None:
    """Print the read-only policy that a scan of the given types needs, to the single action.

    It also lets the scan find regions and read the policies from which verdicts are made; without those a scan works,
    and says which verdicts are unknown. No right to read what resources hold is in it.
    """
    from cloudops_nb.scanner.inventory.least_privilege import managed_policies, scan_policy
    from cloudops_nb.scanner.planning.scan_tasks import checked_selection
    from cloudops_nb.specs.files import specs_of

    specs = specs_of(load_settings(context.obj).data_path)
    chosen = checked_selection(specs, (), accounts=None, regions=None, services=types or None).specs
    make = managed_policies if managed else scan_policy
    click.echo(json.dumps(make(chosen, partition=partition, every_detail=every_detail), indent=2))
