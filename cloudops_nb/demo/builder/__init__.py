"""Creates the company's resources in moto through botocore, in a fixed order, so that the seed determines all ids."""
