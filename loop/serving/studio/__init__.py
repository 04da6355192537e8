"""The studio: a page of the ad server that shows what the loop draws, why, and how it does."""
