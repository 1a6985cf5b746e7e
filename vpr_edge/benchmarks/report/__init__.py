"""Pages: one engine for HTML, Markdown and CSV, one for charts, and the reports made of them."""
