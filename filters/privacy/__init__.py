"""Personal data in captions and URLs: where it stands (one module a topic), what is observed of it,
what is done about it.
"""
