"""Pages: what their markup and head say of them."""
