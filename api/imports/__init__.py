"""Files from outside become rates and usage events here, line by line; nothing is stored or priced."""
