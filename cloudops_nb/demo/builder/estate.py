"""Creates all resources of the simulated company.

Global services are built once per account, all others once per place (an account in a region).
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from cloudops_nb.demo.builder.ageing import age_estate
from cloudops_nb.demo.builder.buckets import build_buckets
from cloudops_nb.demo.builder.compute import build_compute
from cloudops_nb.demo.builder.databases import build_databases
from cloudops_nb.demo.builder.fleets import build_fleets
from cloudops_nb.demo.builder.global_services import build_iam, build_zones
from cloudops_nb.demo.builder.network import build_network
from cloudops_nb.demo.builder.serverless import build_serverless
from cloudops_nb.demo.builder.workbench import Workbench

if TYPE_CHECKING:
    from cloudops_nb.demo.company import Company

#: The region of clients for global services.
GLOBAL_REGION = "us-east-1"

#: The steps that build a place. The order matters, because a step may refer to resources of earlier steps.
BUILD_STEPS = (build_network, build_compute, build_fleets, build_databases, build_buckets, build_serverless)


def build_estate(company: Company, seed: int) -> None:
    """Create the company's resources in the moto backends of this process.

    botocore calls moto in this process, one call at a time and without a socket. So the same seed gives the same ids
    and ages. Two estates with the same seed differ only in their random passwords and in their absolute dates, because
    ages are subtracted from the time of the build.
    """
    import botocore.session
    from moto import mock_aws
    from moto.moto_api._internal import mock_random

    random.seed(seed)
    simulation = mock_aws()
    simulation.start()
    try:
        mock_random.seed(seed)
        session = botocore.session.Session()
        account_benches = {
            account.account: Workbench(session, company, account, GLOBAL_REGION) for account in company.accounts
        }
        for bench in account_benches.values():
            build_iam(bench)
        benches = {place.name: Workbench(session, company, place, place.region) for place in company.places}
        for place in company.places:
            bench = benches[place.name]
            account_bench = account_benches[place.account]
            for role in account_bench.entries("roles"):
                bench.record_id("role", role["name"], account_bench.recorded_id("role", role["name"]))
            for step in BUILD_STEPS:
                step(bench)
        for bench in account_benches.values():
            build_zones(bench, benches)
        age_estate(company, seed)
    finally:
        simulation.stop(remove_data=False)
