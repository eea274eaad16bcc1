"""Where the upstream is."""

from langfast_wsgi.providers.langfast.upstream import Upstream


def test_the_key_is_kept_out_of_the_repr() -> None:
    upstream = Upstream("http://a", "anon-secret", "http://b", "p")
    assert "anon-secret" not in repr(upstream)
    assert (upstream.emulator, upstream.models) == (False, ())
