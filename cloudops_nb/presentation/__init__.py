"""Cards, tables and reports as text, Markdown and HTML, for the notebook and the command line."""
