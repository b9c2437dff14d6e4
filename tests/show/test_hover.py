"""Places of a picture that tell their numbers: where they lie, and what they say."""

import numpy as np

from ilhte_bayes.show.figures.drawing import Axis, Drawing, Line, Panel, Points, Rule, draw


def _drawing():
    points = Points(
        np.array([0.0, 1.0]),
        np.array([0.0, 1.0]),
        x_interval=(np.array([-1.0, 0.5]), np.array([1.0, 5.0])),
        names=("a $1", "b"),
    )
    panel = Panel(
        (points, Line(np.linspace(0, 1, 50), np.linspace(0, 1, 50), words="curve"),
         Rule(0.5, interval=(0.2, 0.8), words="average, 95 % interval"), Rule(0.0)),
        Axis("Effect (logits)", (-2.0, 2.0)),
        Axis("", (-1.0, 2.0), ((0.0, "a"), (1.0, "b"))),
    )  # fmt: skip
    return Drawing((panel,), (5.0, 3.0))


def test_spots_lie_on_their_marks():
    picture = draw(_drawing(), backend="svg")
    assert (picture.width, picture.height) == (360.0, 216.0)
    rule, first, second = picture.spots[0], picture.spots[-2], picture.spots[-1]
    # x = -1, 0.5 and 1 are as far apart as their numbers; y grows downwards
    share = (rule.x1 - first.x1) / (first.x2 - first.x1)
    assert abs(share - 0.75) < 0.002  # coordinates are rounded to a tenth of a point
    assert rule.x1 == rule.x2 and first.y1 == first.y2 > second.y1
    assert all(0 <= v <= 360 for s in picture.spots for v in (s.x1, s.x2))
    assert second.x2 - first.x2 > 0  # 5 is cut at the panel's edge, 2


def test_spots_say_names_numbers_and_intervals():
    spots = draw(_drawing(), backend="svg").spots
    assert spots[0].lines == ("average, 95 % interval 0.20 to 0.80",)
    assert spots[-2].lines == ("a $1", "Effect: 0.00, 95 % −1.00 to 1.00")
    assert spots[1].lines[0] == "curve" and len(spots) == 1 + 13 + 2


def test_the_same_drawing_is_the_same_picture():
    assert draw(_drawing(), backend="svg") == draw(_drawing(), backend="svg")
