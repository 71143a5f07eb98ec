"""Pictures of children: detectors for captions, pages and URLs, and the rule over them and faces.

No detector guesses an age from a face.
"""
