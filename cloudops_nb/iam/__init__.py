"""IAM as a library: who acts, and what may be done. Nothing here calls AWS.

Three values, not two: what the policies that are known do not settle is unknown, and says what would settle it.
"""

from cloudops_nb.iam.evaluation.evaluator import Evaluator
from cloudops_nb.iam.evaluation.verdict import Decision, Verdict
from cloudops_nb.iam.policies.policy import Policy, PolicyError
from cloudops_nb.iam.principal import Principal, PrincipalKind, acting_principal
from cloudops_nb.iam.principals.principal_policies import PrincipalPolicies, Unreadable

__all__ = [
    "Decision",
    "Evaluator",
    "Policy",
    "PolicyError",
    "Principal",
    "PrincipalKind",
    "PrincipalPolicies",
    "Unreadable",
    "Verdict",
    "acting_principal",
]
