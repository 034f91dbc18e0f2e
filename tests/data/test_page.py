"""The page of a report: well formed, whole in itself, harmless whatever the data hold, its plots true to the "
"numbers."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from honeyguide.data.check import check
from honeyguide.data.plots import bars, curves, log_curve, number, over_time, paths
from honeyguide.errors import WriteError

_VOID = {"meta"}


class Parsed(HTMLParser):
    """Tags opened and closed, attributes that could fetch something, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [f"{name}={value}" for name, value in attrs if name in ("src", "href", "xlink:href", "onload")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def frame() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "user": rng.integers(0, 40, 600),
            "item": rng.integers(0, 30, 600),
            "rating": rng.integers(1, 6, 600).astype(np.float64),
            "time": rng.integers(1_000_000_000, 1_100_000_000, 600),
        }
    )


def test_a_page_is_whole_and_well_formed(tmp_path: Path) -> None:
    report = check(frame(), memory=lambda shape: {"ease": 8 * shape.items**2})
    report.html(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Parsed(text)
    assert page.open == []
    assert page.fetched == []
    assert "http" not in text
    assert page.tags.count("svg") == 4
    for finding in report.findings:
        assert finding.message in page.text
        assert finding.remedy in page.text
    assert "ease7.2 KB" in page.text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html"]


def test_names_of_columns_do_no_harm(tmp_path: Path) -> None:
    evil = '<script>alert("1")</script>'
    data = frame().rename({"rating": evil}).with_columns(pl.lit(7.0).alias("x"))
    check(data, value=evil).html(tmp_path / "report.html")
    page = Parsed((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert evil in page.text


def test_plots_are_left_out_where_there_is_nothing_to_plot(tmp_path: Path) -> None:
    check(pl.DataFrame({"user": [1], "item": [""]})).html(tmp_path / "report.html")
    assert Parsed((tmp_path / "report.html").read_text(encoding="utf-8")).tags.count("svg") == 0


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="nothing was left behind"):
        check(frame()).html(tmp_path / "no" / "report.html")


def test_bars_are_as_high_as_their_counts() -> None:
    drawn = bars([(0.5, 10), (1.0, 40), (5.0, 20)], x="rating", y="ratings")
    heights = [float(height) for height in re.findall(r'<rect [^>]*height="([\d.]+)"', drawn)]
    assert heights[1] / heights[0] == pytest.approx(4, rel=0.01)
    assert heights[2] / heights[0] == pytest.approx(2, rel=0.01)
    bottoms = [float(y) + float(h) for y, h in re.findall(r' y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', drawn)]
    assert np.ptp(bottoms) < 0.2
    assert "rating 5: 20 ratings" in drawn


def test_a_power_law_is_a_straight_line() -> None:
    drawn = log_curve([(rank, 1e4 / rank**2) for rank in (1, 10, 100)], x="items", y="events")
    places = np.array(
        [[float(c) for c in p.split(",")] for p in re.findall(r'line" points="([^"]+)"', drawn)[0].split()]
    )
    steps = np.diff(places, axis=0)
    assert steps[0] == pytest.approx(steps[1], abs=0.2)


def test_time_runs_from_left_to_right() -> None:
    drawn = over_time([(0.0, 5), (50.0, 10), (100.0, 0)], label=lambda moment: f"at {moment:g}", y="events")
    places = [[float(c) for c in p.split(",")] for p in re.findall(r'line" points="([^"]+)"', drawn)[0].split()]
    across, down = zip(*places, strict=True)
    assert across[1] - across[0] == pytest.approx(across[2] - across[1], abs=0.2)
    assert down[1] < down[0] < down[2]
    assert "at 50: 10 events" in drawn


def test_curves_and_levels_stand_at_their_heights_and_the_legend_in_their_order() -> None:
    lines = {"up <1>": [(1.0, 0.1), (10.0, 0.3), (100.0, 0.2)], "down": [(1.0, 0.2), (2.0, 0.1)]}
    drawn = curves(lines, {"level": 0.25}, x="epoch", y="ndcg")
    root = ElementTree.fromstring(drawn)  # well formed by itself, whatever a name holds
    find = lambda tag: root.findall(f"{{http://www.w3.org/2000/svg}}{tag}")  # noqa: E731
    places = {
        str(each[0].text): np.array([point.split(",") for point in each.attrib["points"].split()], float)
        for each in reversed(find("polyline"))  # those of the legend come last
    }
    rising, falling, level = places["up <1>"], places["down"], places["level: 0.25"]
    assert np.diff(rising[:, 0]) == pytest.approx(np.diff(rising[:, 0]).mean() * np.ones(2), abs=0.2)  # by decades
    assert falling[0, 0] == rising[0, 0]
    assert falling[0, 1] == rising[2, 1]  # both 0.2
    assert level[0, 1] == level[1, 1] == pytest.approx((rising[1, 1] + rising[2, 1]) / 2, abs=0.1)
    assert rising[1, 1] < rising[2, 1] < rising[0, 1]  # higher values are further up
    dots = [[float(each.attrib[at]) for at in ("cx", "cy")] for each in find("circle")]
    assert dots == [rising[1].tolist(), falling[0].tolist()]  # the best
    assert [each.text for each in find("text") if each.get("class") == "key"] == ["up <1>", "level", "down"]
    low = ElementTree.fromstring(curves(lines, {"level": 0.25}, x="epoch", y="rmse", low=True))
    keys = [each.text for each in low.iter() if each.get("class") == "key"]
    assert keys == ["up <1>", "down", "level"]
    circles = [[float(each.attrib[at]) for at in ("cx", "cy")] for each in low.iter() if each.tag.endswith("circle")]
    assert circles == [rising[0].tolist(), falling[1].tolist()]
    assert min(place[:, 1].min() for place in places.values()) > 0
    assert max(place[:, 1].max() for place in places.values()) < 280


def test_paths_have_a_dot_at_each_point_and_begin_together() -> None:
    lines = {"one <1>": [(0.2, 0.3), (0.4, 0.3), (0.6, 0.1)], "two": [(0.2, 0.3), (0.3, 0.2)]}
    root = ElementTree.fromstring(paths(lines, x="diversity", y="ndcg", start="own"))
    find = lambda tag: root.findall(f"{{http://www.w3.org/2000/svg}}{tag}")  # noqa: E731
    one, two = (
        np.array([point.split(",") for point in each.attrib["points"].split()], float)
        for each in find("polyline")
        if each.attrib["points"].count(",") > 1 and not each.attrib["points"].startswith("38")  # not of the legend
    )
    assert one[0].tolist() == two[0].tolist()
    assert np.diff(one[:, 0]) == pytest.approx([one[1, 0] - one[0, 0]] * 2, abs=0.2)  # both 0.2 to the right
    assert (one[1, 1], two[1, 1]) == (one[0, 1], pytest.approx((one[0, 1] + one[2, 1]) / 2, abs=0.1))
    assert one[2, 1] > one[1, 1]  # lower values are further down
    dots = [[float(each.attrib[at]) for at in ("cx", "cy")] for each in find("circle")]
    assert dots[:4] == [*one[1:].tolist(), *two[1:].tolist(), one[0].tolist()]
    assert [each.text for each in find("text") if each.get("class") == "key"] == ["one <1>", "two", "own"]


@pytest.mark.parametrize("values", [[0.8, 1.25], [0.06, 0.19], [0.5], [0.0], [1e-4, 2e-4], [-3.0, 7.0]])
def test_an_axis_holds_its_values_between_round_numbers(values: list[float]) -> None:
    drawn = ElementTree.fromstring(curves({"it": list(enumerate(values, 1))}, {}, x="epoch", y="loss"))
    marks = [float(t.text or "") for t in drawn.iter() if t.get("text-anchor") == "end" and t.get("x") == "56"]
    assert marks == sorted(marks)
    assert marks[0] <= min(values) < max(values) + 1e-12 <= marks[-1] or len(set(values)) == 1
    assert 2 <= len(marks) <= 9


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (0.5, "0.5"), (1_500, "1.5k"), (2e6, "2M"), (-81_000, "-81k")])
def test_numbers_of_axes(value: float, text: str) -> None:
    assert number(value) == text
