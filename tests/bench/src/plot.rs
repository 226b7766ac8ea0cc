//! The plot of how cost grows, as SVG: both axes logarithmic, a line for each curve.

use std::fmt::Write as _;
use std::time::Duration;

/// What something took, by how much there was.
pub(crate) struct Curve {
    name: &'static str,
    points: Vec<(f64, f64)>,
}

impl Curve {
    pub(crate) fn of(name: &'static str, times: &[(usize, Duration)]) -> Self {
        let points = times.iter().map(|&(count, taken)| (count as f64, taken.as_secs_f64() * 1e3));
        Self { name, points: points.collect() }
    }
}

/// The picture's size, and that of what is around the curves.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 20.0;
const BELOW: f64 = 50.0;

/// Colours that are told apart also by who does not see all of them, on white and on black.
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/// Powers of ten at the ends of the axes: how much there is, and milliseconds.
const COUNTS: (i32, i32) = (0, 6);
const MILLISECONDS: (i32, i32) = (-2, 3);

pub(crate) fn svg(curves: &[Curve]) -> String {
    let along = |count: f64| {
        let part = (count.log10() - f64::from(COUNTS.0)) / f64::from(COUNTS.1 - COUNTS.0);
        LEFT + part * (WIDTH - LEFT - RIGHT)
    };
    let up = |ms: f64| {
        let (least, most) = (f64::from(MILLISECONDS.0), f64::from(MILLISECONDS.1));
        HEIGHT - BELOW - (ms.log10() - least) / (most - least) * (HEIGHT - TOP - BELOW)
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for power in COUNTS.0..=COUNTS.1 {
        let x = along(10_f64.powi(power));
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {TOP}V{:.1}\" stroke=\"#ddd\"/><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - BELOW,
            HEIGHT - BELOW + 18.0,
            10_u64.pow(power.unsigned_abs()),
        );
    }
    for power in MILLISECONDS.0..=MILLISECONDS.1 {
        let y = up(10_f64.powi(power));
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {y:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{} ms</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0,
            10_f64.powi(power),
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">how many there are</text>",
        f64::midpoint(LEFT, WIDTH),
        HEIGHT - 10.0,
    );
    for ((curve, colour), place) in curves.iter().zip(COLOURS).zip(0_u8..) {
        let points: Vec<String> = curve
            .points
            .iter()
            .map(|&(count, ms)| format!("{:.1},{:.1}", along(count), up(ms)))
            .collect();
        let y = TOP + 16.0 + 16.0 * f64::from(place);
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{:.1}\" y=\"{y:.1}\" fill=\"{colour}\">{}</text>",
            points.join(" "),
            LEFT + 12.0,
            curve.name,
        );
    }
    svg + "</svg>\n"
}
