"""What needs no Beam: archives, pages, pictures, CLIP, records, storage, erasure and search."""
