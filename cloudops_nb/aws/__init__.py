"""Access to AWS: accounts, sessions, credentials, regions, and the meaning of AWS errors."""
