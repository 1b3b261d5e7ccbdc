"""The policies that decide what each account's acting principal may do, read once per account and scan."""
