"""Rights: reservations of pages, responses and pictures, licences, content credentials."""
