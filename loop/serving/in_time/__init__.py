"""Answers before a deadline: finished ads that suit the shopper, while fresh ones are drawn."""
