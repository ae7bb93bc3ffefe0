import pytest

from captioner.errors import counted, sized


def test_one_thing_is_no_plural():
    assert [counted(n, "picture") for n in (0, 1, 2)] == ["0 pictures", "1 picture", "2 pictures"]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999.6, "1 kB"),
        (160_000, "160 kB"),
        (12_345_678, "12.3 MB"),
        (999_940_000, "999.9 MB"),
        (999_999_999, "1.0 GB"),
        (1_500_000_000, "1.5 GB"),
    ],
)
def test_bytes_are_told_in_the_unit_that_suits_them(number, said):
    assert sized(number) == said
