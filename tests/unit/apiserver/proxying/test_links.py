"""Links and pages through the proxy, without one."""

import gzip
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.apiserver.proxying.bodies import Page
from kube46.apiserver.proxying.headers import of_answer, of_request, of_upgrade
from kube46.apiserver.proxying.links import Links
from kube46.apiserver.proxying.locations import allowed, split
from kube46.apiserver.proxying.markup import LONGEST, Rewriter

LINKS = Links("/p/proxy", "192.0.2.1:80", "proxy.example")


@pytest.mark.parametrize(
    ("link", "through"),
    [
        ("/a", "/p/proxy/a"),
        ("/", "/p/proxy/"),
        ("/a/../b/?q=/x#/y", "/p/proxy/b/?q=/x#/y"),
        ("/p/proxy/a", "/p/proxy/a"),
        ("http://192.0.2.1:80/a", "/p/proxy/a"),
        ("http://proxy.example/a", "http://proxy.example/p/proxy/a"),
        ("//proxy.example/a", "//proxy.example/p/proxy/a"),
        ("http://other.example/a", "http://other.example/a"),
        ("//other.example/a", "//other.example/a"),
        ("a/b", "a/b"),
        ("?q", "?q"),
        ("#x", "#x"),
        ("", ""),
        ("mailto:a@b", "mailto:a@b"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("/a%zz", "/a%zz"),
        ("/a\nb", "/a\nb"),
        ("/é", "/p/proxy/%C3%A9"),
        ("é", "%C3%A9"),
    ],
)
def test_links(link: str, through: str) -> None:
    """Paths of the same host lead through the proxy, all else stays; table of rewriteURL's cases."""
    assert LINKS.through(link) == through


PAGE = (
    '<A Href=\'/a\' x>t</A><!-- <a href="/c"> --><script>"<a href=/s>"</script><img src=/i><a href="/q?a=1&amp;b=>2">'
)
THROUGH = (
    '<a href="/p/proxy/a" x="">t</A><!-- <a href="/c"> --><script>"<a href=/s>"</script><img src="/p/proxy/i">'
    '<a href="/p/proxy/q?a=1&amp;b=&gt;2">'
)


def rewritten(*pieces: str) -> str:
    rewriter = Rewriter(LINKS.through)
    return "".join(rewriter.feed(piece) for piece in pieces) + rewriter.close()


@given(st.lists(st.integers(0, len(PAGE)), max_size=8))
def test_pages_in_pieces(places: list[int]) -> None:
    """However a page is cut on its way, the same comes out."""
    cuts = [0, *sorted(places), len(PAGE)]
    assert rewritten(*(PAGE[a:b] for a, b in itertools.pairwise(cuts))) == THROUGH


@given(st.lists(st.text("<>/=\"'ab -!\n", max_size=12), max_size=12))
def test_any_text(pieces: list[str]) -> None:
    """What is no page harms nothing, and how it is cut does not matter."""
    assert rewritten(*pieces) == rewritten("".join(pieces))


def test_tags_without_end() -> None:
    """A tag that does not end is held back only so long, and is found to be none in one go."""
    rewriter = Rewriter(LINKS.through)
    sent = rewriter.feed('<a href="' + "x=" * LONGEST)
    assert len(sent) > LONGEST / 2
    assert rewritten("<a " + "b='c' " * 5000) == "<a " + "b='c' " * 5000


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate"])
@given(cut=st.integers(1, 60))
def test_compressed_pages(encoding: str, cut: int) -> None:
    """A compressed page is compressed again, with its links replaced; bytes that are no UTF-8 survive."""
    plain = PAGE.encode() + b"\xff\xfe"
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = {"": plain, "gzip": gzip.compress(plain), "deflate": raw.compress(plain) + raw.flush()}[encoding]
    page = Page(encoding, LINKS.through)
    sent = b"".join(b"".join(page.feed(packed[i : i + cut])) for i in range(0, len(packed), cut)) + page.close()
    window = {"": None, "gzip": 31, "deflate": -15}[encoding]
    assert (sent if window is None else zlib.decompress(sent, window)) == THROUGH.encode() + b"\xff\xfe"


def test_a_bomb_comes_in_pieces() -> None:
    """A little that unpacks to very much is never in memory as a whole."""
    bomb = gzip.compress(bytes(50_000_000))
    assert max(map(len, Page("gzip", LINKS.through).feed(bomb))) < 200_000


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a", ("", "a", "")),
        ("a:80", ("", "a", "80")),
        ("https:a:", ("https", "a", "")),
        (":a:x", ("", "a", "x")),
        ("ftp:a:1", None),
        ("a:b:c:d", None),
        (":80", None),
        ("", None),
    ],
)
def test_names(name: str, parts: object) -> None:
    """`[scheme:]name[:port]`, and nothing else."""
    assert split(name) == parts


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("192.0.2.1", True), ("10.1.2.3", True), ("2001:db8::1", True), ("fd00::1", True), ("127.0.0.1", False),
        ("127.9.9.9", False), ("::1", False), ("169.254.169.254", False), ("fe80::1", False), ("0.0.0.0", False),
        ("::", False), ("224.0.0.1", False), ("ff02::1", False), ("255.255.255.255", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.1.1", False), ("::ffff:192.0.2.1", True), ("localhost", False), ("", False),
    ],
)  # fmt: skip
def test_addresses(address: str, may: bool) -> None:
    """Nothing of this machine's own, nothing of its link: Go's IsGlobalUnicast, also of addresses in disguise."""
    assert allowed(address) is may


def test_headers() -> None:
    """What is between two neighbours stays there; who asks for whom is not told on."""
    sent = [
        (b"authorization", b"Bearer secret"), (b"impersonate-user", b"u"), (b"connection", b"x-a, close"),
        (b"x-a", b"1"),
        (b"te", b"gzip"), (b"x-forwarded-for", b"192.0.2.9"), (b"x-forwarded-uri", b"/lie"),
        (b"expect", b"100-continue"),
        (b"content-length", b"7"), (b"cookie", b"c"), (b"upgrade", b"x"),
    ]  # fmt: skip
    told = of_request(sent, "192.0.2.8", "/p", b"7")
    assert told == [
        (b"cookie", b"c"), (b"x-forwarded-for", b"192.0.2.9, 192.0.2.8"), (b"x-forwarded-uri", b"/p"),
        (b"content-length", b"7"), (b"connection", b"close"),
    ]  # fmt: skip
    assert {b"authorization", b"impersonate-user", b"expect"}.isdisjoint(dict(of_upgrade(sent, "192.0.2.8")))
    answered = [(b"Access-Control-Allow-Origin".lower(), b"*"), (b"content-length", b"1"), (b"x", b"y")]
    assert of_answer(answered, rewritten=True) == [(b"x", b"y")]
