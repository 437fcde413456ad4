"""The preparing process: tokenises the prompt, resizes and cuts the pictures. Written next."""
