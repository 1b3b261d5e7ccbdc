"""Local evaluation of IAM policies: whether AWS would allow a principal's action. This package never calls AWS.

A decision has three values. If the known policies settle neither "allowed" nor "denied", it is ``unknown``, and the
verdict names the missing facts.
"""

from cloudops_nb.iam.evaluation.evaluator import Evaluator
from cloudops_nb.iam.policies.policy import Policy
from cloudops_nb.iam.principal import Principal, PrincipalKind, acting_principal
from cloudops_nb.iam.principals.principal_policies import PrincipalPolicies, Unreadable

__all__ = [
    "Evaluator",
    "Policy",
    "Principal",
    "PrincipalKind",
    "PrincipalPolicies",
    "Unreadable",
    "acting_principal",
]
