"""Plans a scan: turns the selected accounts, regions and types into list calls and the cells that they fill."""
