from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from test_spotlight import lit

from captioner.geometry import fit_image
from captioner.visual import STYLES, VIRIDIS, overlay, sheet


def noise(width, height):
    pixels = np.random.default_rng(0).integers(60, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def one_hot(row, column, rows=7, columns=7):
    alpha = np.zeros((rows, columns), np.float32)
    alpha[row, column] = 1
    return alpha


def word(text="dog", probability=0.5, alpha=None):
    return SimpleNamespace(
        text=text, probability=probability, alpha=one_hot(0, 0) if alpha is None else alpha
    )


def away_from(line, inside):
    """Where no line was drawn: more than `line` pixels from the edge of what is inside."""
    edge = np.zeros_like(inside)
    for axis in (0, 1):
        for step in range(-line, line + 1):
            edge |= np.roll(inside, step, axis) != inside
    return ~edge


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 5), (6, 6)])
def test_spotlight_lights_the_attended_cell_and_darkens_the_rest(row, column):
    image = noise(401, 299)
    drawn = np.asarray(overlay(image, one_hot(row, column), smooth=False)).astype(float)
    pixels = np.asarray(image)
    inside = np.zeros((299, 401), bool)
    for y in range(299):
        for x in range(401):
            inside[y, x] = (int((y + 0.5) / 299 * 7), int((x + 0.5) / 401 * 7)) == (row, column)
    plain = away_from(1, inside)
    bright, dark = inside & plain, ~inside & plain
    assert np.abs(drawn[bright] - lit(pixels[bright], 1, 0.9)).max() <= 0.5 + 1e-6
    assert (drawn[bright] >= pixels[bright]).all()
    # A tenth of the light, which is more than a tenth of the number that stands for it.
    assert np.abs(drawn[dark] - pixels[dark] * 0.1 ** (1 / 2.2)).max() <= 1


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("resize", ["squash", "pad", "crop"])
def test_light_falls_where_the_geometry_says(style, resize):
    image = Image.new("RGB", (301, 199), (128, 128, 128))
    geometry = fit_image(image, (224, 224), resize)[1]
    alpha = one_hot(3, 4)
    drawn = np.asarray(overlay(image, alpha, geometry=geometry, style=style, smooth=False))
    inside = geometry.spread(alpha, smooth=False) == 1
    plain = away_from(1 if style == "spotlight" else 0, inside)
    bright, dark = drawn[inside & plain], drawn[~inside & plain]
    assert len(np.unique(bright, axis=0)) == len(np.unique(dark, axis=0)) == 1
    assert bright.sum(-1).min() > dark.sum(-1).max()


def test_smooth_light_falls_off_evenly_between_cells():
    image = Image.new("RGB", (70, 10), (200, 200, 200))
    drawn = np.asarray(overlay(image, one_hot(0, 3, 1, 7), strength=1))[5, :, 0].astype(int)
    assert drawn[34] == drawn[35] and drawn[35] > 185
    # The line is between the middles of two cells.
    assert max(drawn[[29, 40]]) < 10 and min(drawn[[30, 39]]) > 245
    plain = np.delete(drawn, [29, 30, 39, 40])
    assert (np.diff(plain[25:33]) > 0).all() and (np.diff(plain[33:41]) < 0).all()
    assert (drawn[:25] == 0).all() and (drawn[45:] == 0).all()


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("style", STYLES)
def test_a_flat_map_gives_a_flat_overlay(style, smooth):
    image = Image.new("RGB", (41, 29), (90, 120, 150))
    flat = np.full((7, 7), 1 / 49)
    for peak in (None, 0.5):
        drawn = overlay(image, flat, style=style, smooth=smooth, peak=peak)
        assert len(drawn.getcolors()) == 1
    nearly = flat * np.random.default_rng(0).uniform(0.98, 1, (7, 7))
    drawn = np.asarray(overlay(image, nearly, style=style, smooth=smooth)).astype(int)
    assert np.ptp(drawn, axis=(0, 1)).max() <= 8


def test_a_peak_puts_several_words_on_one_scale():
    image = Image.new("RGB", (20, 20), (200, 200, 200))
    sharp, faint = one_hot(0, 0, 2, 2), one_hot(0, 0, 2, 2) * 0.5

    def brightest(alpha, peak):
        return np.asarray(overlay(image, alpha, smooth=False, strength=1, peak=peak))[5, 5, 0]

    full = pytest.approx(lit(200, 1), abs=1)
    assert brightest(sharp, 1.0) == full
    # Half of the light, not of the number that stands for it.
    assert brightest(faint, 1.0) == pytest.approx(lit(200, 0.5), abs=1)
    assert brightest(faint, None) == full
    assert brightest(sharp, 0.5) == full  # more than full light there is not


@pytest.mark.parametrize("style", STYLES)
def test_strength_zero_leaves_the_picture_alone(style):
    image = noise(23, 17)
    assert overlay(image, one_hot(1, 1), style=style, strength=0).tobytes() == image.tobytes()


def test_a_map_of_zeros_is_dark_everywhere():
    drawn = overlay(Image.new("RGB", (8, 8), (100, 100, 100)), np.zeros((2, 2)), strength=1)
    assert drawn.getcolors() == [(64, (0, 0, 0))]


def test_heatmap_runs_from_viridis_dark_to_viridis_light():
    image = Image.new("RGB", (9, 1))
    ramp = np.linspace(0, 1, 9)[None]
    drawn = np.asarray(overlay(image, ramp, style="heatmap", strength=1, smooth=False))[0]
    assert np.abs(drawn - np.array(VIRIDIS) * 0.7).max() <= 2


def test_the_picture_may_be_a_path_and_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    noise(40, 30).save(tmp_path / "photo.png", exif=exif)
    upright = noise(40, 30).transpose(Image.Transpose.ROTATE_270)
    drawn = overlay(tmp_path / "photo.png", np.ones((2, 2)), strength=0)
    assert drawn.tobytes() == upright.tobytes()


@pytest.mark.parametrize(
    ("alpha", "options", "sentence"),
    [
        (np.ones(4), {}, r"alpha must be \(rows, columns\), but its shape is \(4,\)"),
        (np.ones((0, 4)), {}, r"but its shape is \(0, 4\)"),
        ([[0.5, -0.5]], {}, "alpha must be finite and not negative, but runs from -0.5 to 0.5"),
        ([[0.5, np.nan]], {}, "alpha must be finite and not negative, but runs from nan to nan"),
        (np.ones((2, 2)), {"strength": 1.5}, "strength is 1.5, but must lie between 0 and 1"),
        (np.ones((2, 2)), {"peak": 0}, "peak is 0, but must be a finite number above 0"),
        (
            np.ones((2, 2)),
            {"style": "jet"},
            "unknown style 'jet'; choose one of spotlight, heatmap",
        ),
        (
            np.ones((2, 2)),
            {"geometry": fit_image(Image.new("RGB", (9, 8)), (4, 4))[1]},
            r"the geometry belongs to a picture of \(9, 8\) pixels, not \(8, 9\)",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(alpha, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        overlay(Image.new("RGB", (8, 9)), alpha, **options)


def tile_of(page, index, columns, size, step):
    left, top = 8 + index % columns * step[0], 8 + index // columns * step[1]
    return np.asarray(page.crop((left, top, left + size[0], top + size[1])))


def test_a_sheet_shows_the_picture_and_every_word_on_one_scale():
    image = Image.new("RGB", (448, 224), (200, 200, 200))
    words = [word("sharp", 0.9, one_hot(0, 0, 1, 2)), word("faint", 0.4, np.full((1, 2), 0.5))]
    page = sheet(image, words, columns=2, strength=1, smooth=False)
    size, step = (224, 112), (224 + 8, 112 + 22 + 8)
    assert page.mode == "RGB" and page.size == (8 + 2 * step[0], 8 + 2 * step[1])
    assert (tile_of(page, 0, 2, size, step) == 200).all()
    sharp, faint = (tile_of(page, index, 2, size, step) for index in (1, 2))
    assert np.abs(sharp[:, :111] - lit(200, 1)).max() <= 1 and (sharp[:, 112:] == 0).all()
    assert (sharp[:, 111] == 255).all()  # the line around it
    assert np.abs(faint - lit(200, 0.5)).max() <= 1  # half the light, and no line
    labels = [np.asarray(page)[8 + 112 : 8 + 112 + 22], np.asarray(page)[8 + step[1] + 112 :]]
    assert (labels[0][:, : step[0]] == 255).all()  # nothing under the picture itself
    assert (labels[0][:, step[0] :] < 100).any() and (labels[1][:, : step[0]] < 100).any()
    assert (tile_of(page, 3, 2, size, step) == 255).all()


def test_a_sheet_of_a_cropped_picture_uses_the_geometry():
    image = Image.new("RGB", (448, 224), (200, 200, 200))
    geometry = fit_image(image, (224, 224), "crop")[1]
    page = sheet(image, [word(alpha=np.ones((7, 7)))], geometry=geometry, columns=2, strength=1)
    drawn = tile_of(page, 1, 2, (224, 112), (232, 142))
    assert np.abs(drawn[:, 57:167] - lit(200, 1)).max() <= 1
    assert (drawn[:, :56] == 0).all() and (drawn[:, 168:] == 0).all()


def test_a_label_says_the_word_and_its_whole_percent():
    image = Image.new("RGB", (20, 20))
    page = sheet(image, [word("dog", 0.824)]).tobytes()
    assert page == sheet(image, [word("dog", 0.816)]).tobytes()
    assert page != sheet(image, [word("dog", 0.836)]).tobytes()
    assert page != sheet(image, [word("cat", 0.824)]).tobytes()


STRANGE = ["", "naïve", "日本語", "عربي", "👩‍👩‍👧", "\ud800", "two\nlines", "\0\t", "w" * 9999]


@pytest.mark.parametrize("text", STRANGE)
def test_no_word_breaks_a_sheet_nor_leaves_its_tile(text):
    page = sheet(Image.new("RGB", (50, 50)), [word(text)], columns=2)
    assert page.size == (8 + 2 * 232, 8 + 224 + 22 + 8)
    outside = np.ones(page.size[::-1], bool)
    outside[:, 8:232] = outside[:, 240:464] = False
    assert (np.asarray(page)[outside] == 255).all()


def test_a_word_of_two_lines_is_written_on_one():
    image = Image.new("RGB", (20, 20))
    assert sheet(image, [word("hot\n dog")]) == sheet(image, [word("hot dog")])


@pytest.mark.parametrize("size", [(1, 1), (400, 3), (3, 400), (4000, 1)])
def test_a_sheet_of_any_shape_of_picture(size):
    page = sheet(Image.new("RGB", size), [word()] * 4, columns=1)
    height = {(1, 1): 224, (400, 3): 2, (3, 400): 224, (4000, 1): 1}[size]
    assert page.size == (8 + 8 + (224 if size[0] >= size[1] else 112), 8 + 5 * (height + 22 + 8))


def test_a_sheet_without_words_is_the_picture():
    page = sheet(noise(224, 224), [])
    assert page.size == (8 + 232, 8 + 224 + 22 + 8)


def test_a_sheet_without_columns_is_refused():
    with pytest.raises(ValueError, match="columns is 0, but a sheet needs at least 1"):
        sheet(Image.new("RGB", (2, 2)), [], columns=0)


def test_a_sheet_takes_the_scale_that_it_is_given():
    picture = Image.new("RGB", (40, 40), (200, 200, 200))
    word = SimpleNamespace(text="dog", probability=0.5, alpha=np.full((2, 2), 0.25))
    own, dimmer = (sheet(picture, [word], peak=peak) for peak in (None, 1.0))
    assert np.asarray(own).mean() > np.asarray(dimmer).mean()


def test_small_pictures_are_dimmed_less():
    picture, alpha = Image.new("RGB", (224, 224), (200, 200, 200)), one_hot(0, 0)
    small = sheet(picture, [word(alpha=alpha)], columns=2).getpixel((8 + 232 + 200, 8 + 200))
    large = overlay(picture, alpha).getpixel((200, 200))
    assert small[0] == pytest.approx(lit(200, 0, 0.7), abs=1) and small[0] > 1.5 * large[0]
