"""Construction of the declared company in moto through boto3, in a fixed order, so that a seed decides all ids."""
