"""What the principal that would act may do: its policies and the organisation's, read once an account and scan."""
