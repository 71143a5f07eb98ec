"""Personal data in captions and URLs: patterns (one module a topic), detectors, and a rule."""
