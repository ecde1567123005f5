"""Pictures of a run, as text: SVG, Mermaid, a tree for the terminal, HTML for a notebook."""
