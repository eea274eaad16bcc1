"""The auth service (the shapes of Supabase Auth): accounts, sessions, tokens."""
