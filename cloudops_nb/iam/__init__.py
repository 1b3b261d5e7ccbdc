"""Evaluates IAM policies locally: whether AWS would allow an action of a principal. This package never calls AWS.

A decision is ``allowed``, ``denied_explicit``, ``denied_implicit`` or ``unknown``. It is ``unknown`` if the known
policies do not determine whether AWS would allow the action; the verdict then names the missing facts.
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
