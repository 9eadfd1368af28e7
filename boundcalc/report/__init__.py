"""Results to JSON, plain text, Markdown, LaTeX and HTML. Nothing here computes."""
