"""The web's own formats: text, URLs, HTML, robots.txt, and polite requests."""
