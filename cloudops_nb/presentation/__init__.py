"""Cards, tables and status as text, Markdown and HTML, for the notebook and the command line alike."""
