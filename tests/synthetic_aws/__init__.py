"""An AWS inside the process, made of botocore's own models, for scans that no real account could be asked for.

It stands between botocore and the network: requests are built and signed, answers parsed and retried as ever. What it
holds is an estate of made-up items; how slowly, how seldom and how wrongly it answers is declared.
"""

from tests.synthetic_aws.aws import SyntheticAws
from tests.synthetic_aws.buckets import DocumentedBuckets
from tests.synthetic_aws.call import Answer, Call
from tests.synthetic_aws.estate import EstateOfSpecs
from tests.synthetic_aws.faults import Fault
from tests.synthetic_aws.latency import Latency
from tests.synthetic_aws.listing import Listing

__all__ = ["Answer", "Call", "DocumentedBuckets", "EstateOfSpecs", "Fault", "Latency", "Listing", "SyntheticAws"]
