//! Charts as inline SVG: lines of points over a rate, each with what was least and most.

use maud::{Markup, html};

/// The whole drawing, and what its axes leave of it.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 44.0;

/// Colours that people who see few of them can tell apart (Okabe and Ito); by reader.
pub const COLOURS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8a8a", "#a05a2c"];

/// A point with its smallest and largest value.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    pub min: f64,
    pub max: f64,
}

/// A line of points in a colour of [`COLOURS`].
#[derive(Debug)]
pub struct Series {
    pub name: String,
    pub colour: usize,
    pub points: Vec<Point>,
    /// Not measured but computed: a thin line without points.
    pub fitted: bool,
}

/// How values are spread over an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    Log,
    Linear,
}

/// A chart over a rate, whose axis is logarithmic.
pub struct Chart {
    pub title: &'static str,
    pub scale: Scale,
    pub show: fn(f64) -> String,
    pub series: Vec<Series>,
}

/// An axis: from where to where, in values and on the drawing.
struct Axis {
    scale: Scale,
    values: (f64, f64),
    place: (f64, f64),
}

impl Axis {
    /// Wide enough for all values; `None` where there is none that it can show.
    fn around(scale: Scale, values: impl Iterator<Item = f64>, place: (f64, f64)) -> Option<Self> {
        let shown = |value: &f64| value.is_finite() && (scale == Scale::Linear || *value > 0.0);
        let (least, most) =
            values.filter(shown).fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
                (least.min(value), most.max(value))
            });
        if least > most {
            return None;
        }
        let values = match scale {
            Scale::Log => {
                let (from, to) = (least.log10().floor(), most.log10().ceil());
                (10_f64.powf(from), 10_f64.powf(if to > from { to } else { from + 1.0 }))
            }
            Scale::Linear => {
                let step = step(most.max(0.0) - least.min(0.0));
                let to = (most.max(0.0) / step).ceil() * step;
                ((least.min(0.0) / step).floor() * step, if to > 0.0 { to } else { step })
            }
        };
        Some(Self { scale, values, place })
    }

    /// Where a value stands; `None` where it has no place.
    fn at(&self, value: f64) -> Option<f64> {
        let along = |value: f64| match self.scale {
            Scale::Log => value.log10(),
            Scale::Linear => value,
        };
        let (from, to) = (along(self.values.0), along(self.values.1));
        let share = (along(value) - from) / (to - from);
        share.is_finite().then(|| self.place.0 + share.clamp(0.0, 1.0) * (self.place.1 - self.place.0))
    }

    fn ticks(&self) -> Vec<f64> {
        let (from, to) = self.values;
        match self.scale {
            Scale::Log => {
                let decades = (to / from).log10().round() as i32;
                (0..=decades).map(|decade| from * 10_f64.powi(decade)).collect()
            }
            Scale::Linear => {
                let step = step(to - from);
                let count = ((to - from) / step).round() as i32;
                (0..=count).map(|number| from + f64::from(number) * step).collect()
            }
        }
    }
}

/// A round number, four to ten of which make `span`.
fn step(span: f64) -> f64 {
    let rough = if span > 0.0 { span / 5.0 } else { 0.2 };
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * 0.999).unwrap_or(10.0);
    factor * power
}

/// The chart; a sentence where nothing can be shown.
pub fn chart(chart: &Chart) -> Markup {
    let points = || chart.series.iter().flat_map(|series| &series.points);
    let x = Axis::around(Scale::Log, points().map(|point| point.x), (LEFT, WIDTH - RIGHT));
    let heights = points().flat_map(|point| [point.y, point.min, point.max]);
    let y = Axis::around(chart.scale, heights, (HEIGHT - BOTTOM, TOP));
    html! {
        figure {
            figcaption { (chart.title) }
            @if let (Some(x), Some(y)) = (x, y) {
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(chart.title) {
                    (grid(chart, &x, &y))
                    @for series in &chart.series { (line(chart, series, &x, &y)) }
                }
            } @else {
                p { "Nothing was measured that could be shown." }
            }
        }
    }
}

/// A number of the drawing: a tenth of a point is finer than anybody sees.
fn place(value: f64) -> String {
    format!("{value:.1}")
}

fn grid(chart: &Chart, x: &Axis, y: &Axis) -> Markup {
    let bottom = HEIGHT - BOTTOM;
    html! {
        @for (at, tick) in y.ticks().into_iter().filter_map(|tick| Some((y.at(tick)?, tick))) {
            line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(place(at)) y2=(place(at)) {}
            text.y x=(LEFT - 6.0) y=(place(at + 4.0)) { ((chart.show)(tick)) }
        }
        @for (at, tick) in x.ticks().into_iter().filter_map(|tick| Some((x.at(tick)?, tick))) {
            line.grid x1=(place(at)) x2=(place(at)) y1=(TOP) y2=(bottom) {}
            text.x x=(place(at)) y=(bottom + 16.0) { (super::text::plain_rate(tick)) }
        }
        text.x x=(place(f64::midpoint(LEFT, WIDTH - RIGHT))) y=(HEIGHT - 8.0) { "packets offered per second" }
    }
}

fn line(chart: &Chart, series: &Series, x: &Axis, y: &Axis) -> Markup {
    let colour = COLOURS[series.colour % COLOURS.len()];
    // What a logarithmic axis cannot show is left out, and the line goes on behind it.
    let shown = |value: f64| chart.scale == Scale::Linear || value > 0.0;
    let placed: Vec<(f64, f64, &Point)> = series
        .points
        .iter()
        .filter(|point| shown(point.y))
        .filter_map(|point| Some((x.at(point.x)?, y.at(point.y)?, point)))
        .collect();
    let path = placed.iter().map(|(x, y, _)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ");
    html! {
        g stroke=(colour) fill=(colour) class=(if series.fitted { "fitted" } else { "measured" }) {
            polyline points=(path) fill="none" {}
            @if !series.fitted {
                @for (at, height, point) in &placed {
                    @let low = y.at(if shown(point.min) { point.min } else { point.y }).unwrap_or(*height);
                    @let high = y.at(point.max).unwrap_or(*height);
                    line x1=(place(*at)) x2=(place(*at)) y1=(place(low)) y2=(place(high)) {}
                    circle cx=(place(*at)) cy=(place(*height)) r="3.5" {
                        title {
                            (series.name) " at " (super::text::plain_rate(point.x)) "/s: " ((chart.show)(point.y))
                            " (" ((chart.show)(point.min)) " to " ((chart.show)(point.max)) ")"
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: &[(f64, f64)]) -> Series {
        let point = |&(x, y): &(f64, f64)| Point { x, y, min: y / 2.0, max: y * 2.0 };
        Series { name: "<one>".into(), colour: 0, points: points.iter().map(point).collect(), fitted: false }
    }

    #[test]
    fn axes_hold_all_values() {
        let axis = Axis::around(Scale::Log, [3.0, 700.0, 0.0, -1.0].into_iter(), (0.0, 300.0)).unwrap();
        assert_eq!(axis.values, (1.0, 1000.0));
        assert_eq!(axis.ticks().len(), 4);
        assert!((axis.at(10.0).unwrap() - 100.0).abs() < 1e-9);
        let axis = Axis::around(Scale::Linear, [0.0, 0.37].into_iter(), (0.0, 400.0)).unwrap();
        assert_eq!(axis.values, (0.0, 0.4));
        assert_eq!(axis.ticks().len(), 5);
        // A single value has an axis too, and no value has none.
        assert!(Axis::around(Scale::Linear, [0.0].into_iter(), (0.0, 1.0)).unwrap().at(0.0).is_some());
        assert!(Axis::around(Scale::Log, [10.0].into_iter(), (0.0, 1.0)).unwrap().at(10.0).is_some());
        assert!(Axis::around(Scale::Log, [0.0].into_iter(), (0.0, 1.0)).is_none());
    }

    #[test]
    fn steps_are_round() {
        for (span, wanted) in [(1.0, 0.2), (0.4, 0.1), (100.0, 20.0), (30.0, 10.0), (0.0, 0.2)] {
            assert!((step(span) - wanted).abs() < wanted * 1e-9, "{span}: {}", step(span));
        }
    }

    #[test]
    fn a_chart_has_every_point_that_its_axes_can_show() {
        let drawn = |scale| {
            let series = vec![series(&[(1e3, 10.0), (1e4, 0.0), (1e5, 1000.0)])];
            chart(&Chart { title: "a & b", scale, show: |value| value.to_string(), series }).into_string()
        };
        assert_eq!(drawn(Scale::Log).matches("<circle").count(), 2);
        assert_eq!(drawn(Scale::Linear).matches("<circle").count(), 3);
        assert!(drawn(Scale::Log).contains("&lt;one&gt;") && drawn(Scale::Log).contains("a &amp; b"));
        assert!(!drawn(Scale::Log).contains("NaN"));
        let empty = Chart { title: "none", scale: Scale::Log, show: |_| String::new(), series: Vec::new() };
        assert!(chart(&empty).into_string().contains("Nothing was measured"));
    }
}
