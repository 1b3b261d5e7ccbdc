"""IAM as a library: who acts, and what may be done. Nothing here calls AWS."""

from cloudops_nb.iam.principal import Principal, PrincipalKind, acting_principal

__all__ = ["Principal", "PrincipalKind", "acting_principal"]
