"""The commands about resources: ``scan``, ``search``, ``depends``, ``may``, ``types`` and ``iam-policy``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from cloudops_nb.cli.opening import opened_client
from cloudops_nb.cli.render import CALLS, TYPES, print_frame
from cloudops_nb.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

FILTERS = ("account", "region", "service", "resource_type", "state")
PARTITIONS = ("aws", "aws-cn", "aws-us-gov")


@click.command()
@click.option("--account", "accounts", multiple=True, help="A configured account's name or id; may be repeated.")
@click.option("--region", "regions", multiple=True, help="A region; may be repeated.")
@click.option("--service", "services", multiple=True, help="A service's botocore name, such as rds; may be repeated.")
@click.option(
    "--type",
    "types",
    multiple=True,
    help="A resource type, such as ec2_instance or AWS::Athena::NamedQuery; may be repeated.",
)
@click.option("--mode", default="full", show_default=True, type=click.Choice(["full", "incremental"]))
@click.option("--every-detail", is_flag=True, help="Also read details that take one API call per resource.")
@click.option("--executor", help="A Dask cluster that reads instead of this process, as dask:ADDRESS.")
@click.option("--dry-run", is_flag=True, help="Print the calls that a full scan would make, without making them.")
@click.pass_context
def scan(
    context: click.Context,
    /,
    accounts: tuple[str, ...],
    regions: tuple[str, ...],
    services: tuple[str, ...],
    types: tuple[str, ...],
    *,
    mode: str,
    every_detail: bool,
    executor: str | None,
    dry_run: bool,
) -> None:
    """Discover resources and keep them in the store."""
    ops = opened_client(context, new=True)
    scope = accounts or None, regions or None, (*services, *types) or None
    if dry_run:
        calls = ops.planned_calls(*scope, every_detail=every_detail)
        print_frame(calls, CALLS)
        click.echo(calls.attrs["summary"])
    else:
        click.echo(str(ops.scan(*scope, mode, every_detail=every_detail, executor=executor)))


def _with_filters(command: Callable[..., None]) -> Callable[..., None]:
    """Add the filters of ``CloudOps.search``, except ``tags``, as options."""
    # In reverse, because click lists options in the reverse order of their addition.
    for name in reversed(FILTERS):
        flags = [f"--{name.replace('_', '-')}", *(["--type"] if name == "resource_type" else [])]
        command = click.option(*flags, name)(command)
    return command


@click.command()
@click.argument("query", nargs=-1, required=True)
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1000))
@_with_filters
@click.pass_context
def search(context: click.Context, /, query: tuple[str, ...], limit: int, **filters: str | None) -> None:
    """Find resources by words, name, id or tag."""
    print_frame(opened_client(context).search(" ".join(query), limit=limit, facts=False, **filters))


@click.command()
@click.argument("resource")
@click.option("--hops", default=1, show_default=True, type=click.IntRange(1, 100))
@click.pass_context
def depends(context: click.Context, /, resource: str, hops: int) -> None:
    """Show what depends on a resource, named by its id, name or ARN."""
    from cloudops_nb.presentation.dependents_tree import DependentsTree

    click.echo(repr(DependentsTree(opened_client(context).dependents(resource, hops))))


@click.command()
@click.argument("resource")
@click.pass_context
def may(context: click.Context, /, resource: str) -> None:
    """Show what you may do to a resource, named by its id, name or ARN, and what decided it."""
    from cloudops_nb.presentation.permissions_table import PermissionsTable

    click.echo(repr(PermissionsTable(opened_client(context).permissions(resource))))


@click.command()
@click.option("--cloud-control", is_flag=True, help="Also ask AWS for further types, which Cloud Control can read.")
@click.option(
    "--account", default="", help="The account to ask with --cloud-control; by default the first configured account."
)
@click.option("--markdown", is_flag=True, help="Print what each declared type needs and reports, as Markdown.")
@click.pass_context
def types(context: click.Context, cloud_control: bool, account: str, markdown: bool) -> None:
    """List the resource types that a scan can read."""
    if markdown:
        from cloudops_nb.scanner.inventory.coverage import coverage_markdown as coverage
        from cloudops_nb.specs.files import specs_of

        click.echo(coverage(specs_of(load_settings(context.obj).data_path)), nl=False)
        return
    print_frame(opened_client(context, new=True).resource_types(cloud_control=cloud_control, account=account), TYPES)


@click.command(name="iam-policy")
@click.option(
    "--type", "types", multiple=True, help="A resource type or a service; may be repeated. All types if not given."
)
@click.option("--every-detail", is_flag=True, help="Include the actions that a scan needs only with --every-detail.")
@click.option(
    "--managed", is_flag=True, help="Print a list of policies, each within the size limit of a managed policy."
)
@click.option("--partition", default=PARTITIONS[0], show_default=True, type=click.Choice(PARTITIONS))
@click.pass_context
def iam_policy(
    context: click.Context, types: tuple[str, ...], every_detail: bool, managed: bool, partition: str
) -> None:
    """Print the least-privilege policy that a scan of the given types needs.

    The policy also allows listing each account's regions, and reading the IAM policies from which a scan computes
    verdicts (which actions the operator may perform on a resource). Without these permissions a scan still works: it
    uses AWS's default regions, and reports verdicts as unknown. The policy does not allow reading the content of
    resources, such as the objects in a bucket.
    """
    from cloudops_nb.scanner.inventory.least_privilege import managed_policies, scan_policy
    from cloudops_nb.scanner.planning.scan_tasks import checked_selection
    from cloudops_nb.specs.files import specs_of

    specs = specs_of(load_settings(context.obj).data_path)
    chosen = checked_selection(specs, (), accounts=None, regions=None, services=types or None).specs
    make = managed_policies if managed else scan_policy
    click.echo(json.dumps(make(chosen, partition=partition, every_detail=every_detail), indent=2))
