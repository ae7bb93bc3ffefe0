"""What one word's map says."""

import numpy as np

from captioner.attended import brightest_half, is_flat


def test_the_fewest_cells_with_half_of_the_attention():
    alpha = np.array([[0.3, 0.1, 0.1], [0.1, 0.25, 0.15]], np.float32)
    assert brightest_half(alpha).tolist() == [[True, False, False], [False, True, False]]
    assert brightest_half(np.full((2, 2), 0.25, np.float32)).sum() == 2
    one = np.zeros((3, 3), np.float32)
    one[2, 1] = 1
    assert np.array_equal(brightest_half(one), one > 0)


def test_a_map_is_flat_where_no_cell_has_more_than_the_others():
    flat = np.full((14, 14), 1 / 196, np.float32)
    assert is_flat(flat) and is_flat(np.ones((1, 1)))
    flat[3, 4] *= 1.05
    assert not is_flat(flat)
