"""Builds the declared company in moto's backends through boto3, in one fixed order, so that a seed decides every id."""
