"""What makes the data of the shop in `tests/shops/haushalt`."""
