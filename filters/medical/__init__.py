"""Medical content: detectors for captions, pages and pictures, and the rule over all of them."""
