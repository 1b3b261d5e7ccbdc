"""``cloudops-nb iam-policy``, as a person types it: no store, no AWS."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from cloudops_nb.cli.main import main

pytestmark = pytest.mark.fast


def run(*words: str, ok: bool = True):
    result = CliRunner().invoke(main, ["iam-policy", *words])
    assert (result.exit_code == 0) is ok, result.output
    return json.loads(result.output) if ok else result.output


def test_the_policy_of_a_type_holds_its_calls_and_those_that_read_policies():
    (statement,) = run("--type", "rds_instance")["Statement"]
    assert statement["Effect"] == "Allow"
    assert {"rds:DescribeDBInstances", "ec2:DescribeRegions", "iam:GetRole"} <= set(statement["Action"])
    assert not {action for action in statement["Action"] if action.startswith("s3:")}
    assert not any("*" in action for action in statement["Action"])


def test_a_service_and_a_type_may_be_chosen_together():
    (statement,) = run("--type", "s3", "--type", "sqs_queue")["Statement"]
    assert {"s3:ListAllMyBuckets", "sqs:ListQueues"} <= set(statement["Action"])


def test_without_a_choice_every_type_is_meant():
    assert set(run("--type", "s3")["Statement"][0]["Action"]) < set(run()["Statement"][0]["Action"])


def test_managed_policies_are_a_list_of_documents_each_small_enough():
    documents = run("--managed")
    assert {each["Version"] for each in documents} == {"2012-10-17"}
    assert all(len("".join(json.dumps(each).split())) <= 6144 for each in documents)


def test_arns_are_of_the_asked_partition():
    statements = run("--type", "apigateway", "--partition", "aws-cn")["Statement"]
    (paths,) = [each["Resource"] for each in statements if each["Action"] == ["apigateway:GET"]]
    assert all(path.startswith("arn:aws-cn:apigateway:*::/") for path in paths)


def test_an_unknown_type_is_one_line_with_the_nearest_name():
    assert run("--type", "rds_instanc", ok=False) == (
        "Error: ConfigurationError: unknown service or resource type rds_instanc: did you mean rds_instance?\n"
    )
