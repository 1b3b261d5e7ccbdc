"""Construction of the whole estate, per account and place."""

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

#: The region of the clients of global services.
GLOBAL_REGION = "us-east-1"

#: The order matters: a step may refer to resources of earlier ones.
BUILD_STEPS = (build_network, build_compute, build_fleets, build_databases, build_buckets, build_serverless)


def build_estate(company: Company, seed: int) -> None:
    """Fill moto's backends in this process with the company's estate.

    boto3 calls moto directly, without a socket and one call at a time, so that the same seed gives the same ids and
    ages. Only the time from which ages count differs between two builds.
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
        principals = {
            account.account: Workbench(session, company, account, GLOBAL_REGION) for account in company.accounts
        }
        for bench in principals.values():
            build_iam(bench)
        benches = {place.name: Workbench(session, company, place, place.region) for place in company.places}
        for place in company.places:
            bench = benches[place.name]
            for role in principals[place.account].entries("roles"):
                bench.record_id("role", role["name"], principals[place.account].recorded_id("role", role["name"]))
            for step in BUILD_STEPS:
                step(bench)
        for bench in principals.values():
            build_zones(bench, benches)
        age_estate(company, seed)
    finally:
        simulation.stop(remove_data=False)
