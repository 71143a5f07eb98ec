"""Score: pictures to similarity and evidence, on a CPU or an accelerator."""
