"""adloom: the online loop that turns live clicks into personalised ads."""
