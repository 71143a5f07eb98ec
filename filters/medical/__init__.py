"""Medical content: what the caption says, what the page is, what the picture looks like, and the
rule over all three.
"""
