"""Looking at every part that the settings name: is it there, does it fit, what is to be done."""
