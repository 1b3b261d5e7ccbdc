"""Access to AWS: sessions, accounts, credentials, regions, and the meaning of its errors."""
