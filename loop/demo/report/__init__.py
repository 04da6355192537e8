"""The page that shows what a demo run did."""
