"""Running stages: the plan, results and their fingerprints, engines, estimates."""
