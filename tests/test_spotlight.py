"""Light on colours, and the line around the most of it."""

import numpy as np
import pytest
from PIL import Image

from captioner.spotlight import GLOW, lit_colours, outline, spotlight


def lit(colours, light, strength=1.0):
    """The numbers of some colours under some light, both 0-1: what a screen shows is a power."""
    seen = np.power(np.asarray(colours, float) / 255, 2.2) * (1 - strength * (1 - light))
    glow = GLOW * strength * light
    return 255 * (seen + glow * (1 - seen)) ** (1 / 2.2)


@pytest.mark.parametrize("strength", [0.05, 0.5, 0.9, 1.0])
def test_more_light_makes_every_colour_lighter_and_black_too(strength):
    table = lit_colours(strength).astype(int)
    assert (np.diff(table, axis=0) >= 0).all()
    assert (np.diff(table, axis=1) >= 0).all()  # and what was lighter stays so
    assert (table[-1] - table[0])[:255].min() >= 1
    assert table[-1, 0] == round(255 * (GLOW * strength) ** (1 / 2.2)) and table[0, 0] == 0


def test_a_black_picture_shows_where_the_light_falls():
    light = np.zeros((70, 70))
    light[20:30, 50:60] = 255
    drawn = np.asarray(spotlight(Image.new("RGB", (70, 70)), light, 0.9)).astype(int)
    assert (drawn[21:29, 51:59] == lit_colours(0.9)[255, 0]).all() and drawn[25, 55, 0] > 50
    assert (drawn[20, 50:60] > 225).all() and (drawn[19, 50:60] == 0).all()  # its line


@pytest.mark.parametrize("part", [255, 128, 26])
def test_a_faint_light_has_a_faint_line(part):
    light = np.zeros((70, 70))
    light[20:30, 50:60] = part
    drawn = np.asarray(spotlight(Image.new("RGB", (70, 70), (90, 90, 90)), light, 1))
    under = lit(90, part / 255)
    assert drawn[20, 55, 0] == pytest.approx(under + part / 255 * (255 - under), abs=1)


def test_a_line_runs_around_what_has_more_than_half_of_the_strongest_light():
    light = np.full((9, 12), 60.0)
    light[3:6, 4:9] = 101
    light[4, 5:8] = 200
    light[7, 1] = 100  # just half of it: outside
    inside, outside = outline(light)
    bright = light > 100
    assert not (inside & ~bright).any() and not (outside & bright).any()
    assert inside.sum() == 3 * 5 - 3 and outside.sum() == 2 * (3 + 5)
    assert inside[3, 4] and not inside[4, 5] and outside[2, 4] and not outside[2, 3]


@pytest.mark.parametrize("light", [np.full((5, 7), 80.0), np.linspace(41, 80, 35).reshape(5, 7)])
def test_what_is_flat_has_no_line(light):
    for zoom in (1, 100):
        assert not np.any(outline(np.kron(light, np.ones((zoom, zoom)))))
    assert not np.any(outline(np.zeros((5, 7))))


def test_no_line_runs_along_the_edge_of_the_picture():
    light = np.zeros((20, 1000))
    light[:, :400] = 255
    inside, outside = outline(light)
    assert inside.any(0).nonzero()[0].tolist() == [396, 397, 398, 399]  # a pixel for each 250
    assert outside.any(0).nonzero()[0].tolist() == [400, 401, 402, 403]
    assert np.all(inside[:, 396:400]) and np.all(outside[:, 400:404])
