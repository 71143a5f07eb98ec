"""Score: pictures to similarity and evidence, on CPU or accelerator."""
