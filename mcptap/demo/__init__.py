"""What `mcptap demo` shows: two real servers, recorded through real proxies and then played back."""
