"""Results to JSON, plain text, Markdown and HTML. Nothing here computes."""
