"""Past clicks, as the generator reads them."""
