//! The plot of a plan's time and usage by the number of resources.

use std::error::Error;
use std::path::Path;

use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;

use super::install::Installation;
use super::results::{Results, Row, mb};
use super::tables::{count, names};

const COLORS: [RGBColor; 5] = [
    RGBColor(0x66, 0x66, 0x66),
    RGBColor(0x1f, 0x77, 0xb4),
    RGBColor(0x2c, 0xa0, 0x2c),
    RGBColor(0xd6, 0x27, 0x28),
    RGBColor(0x94, 0x67, 0xbd),
];

/// Draws four panels: seconds, those beyond the baseline and the provider's CPU time per resource, and its memory.
pub(crate) fn draw(results: &Results, file: &Path) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(file, (1000, 760)).into_drawing_area();
    area.fill(&WHITE)?;
    let panels = area.split_evenly((2, 2));
    let names = names(results);
    // The only installation with which each size is measured.
    let is_everywhere = |row: &Row| match row.installation {
        Installation::Mirror => true,
        Installation::DevOverrides => row.candidate == names[0],
        Installation::MirrorWithCache => false,
    };
    let plans = |row: &&Row| row.step == "plan" && is_everywhere(row);
    let lines = |value: &dyn Fn(&Row) -> Option<f64>| -> Vec<Line> {
        let colors = COLORS.iter().cycle();
        let line = |(name, color): (&&str, &RGBColor)| {
            let rows = results.runs.iter().filter(plans).filter(|row| row.candidate == *name);
            let points = rows.filter_map(|row| Some((count(row.resources), value(row)?))).collect();
            Line { name: (*name).to_owned(), color: *color, points }
        };
        names.iter().zip(colors).map(line).filter(|line| !line.points.is_empty()).collect()
    };
    let panel =
        |index: usize, title: &str, lines: &[Line]| draw_panel(&panels[index], title, lines);
    panel(0, "terraform plan, seconds", &lines(&|row| Some(row.seconds.median)))?;
    let beyond = |row: &Row| {
        let seconds = row.above_baseline.median;
        (seconds > 0.0).then(|| seconds * 1000.0 / count(row.resources))
    };
    panel(1, "beyond the builtin resource, ms per resource", &lines(&beyond))?;
    let cpu = |row: &Row| {
        let seconds = row.provider_cpu_seconds.median;
        (seconds > 0.0).then(|| seconds * 1000.0 / count(row.resources))
    };
    panel(2, "provider CPU per resource, ms", &lines(&cpu))?;
    let memory = |row: &Row| (row.peak_memory_kib > 0).then(|| mb(row.peak_memory_kib));
    panel(3, "peak memory of the provider, MB", &lines(&memory))?;
    area.present()?;
    Ok(())
}

struct Line {
    name: String,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

fn draw_panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    lines: &[Line],
) -> Result<(), Box<dyn Error>> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let widest = points().map(|point| point.0).fold(1.0, f64::max);
    let highest = points().map(|point| point.1).fold(f64::MIN_POSITIVE, f64::max);
    let lowest = points().map(|point| point.1).fold(highest, f64::min);
    let is_flat = highest < lowest * 5.0;
    let mut builder = ChartBuilder::on(area);
    builder
        .caption(title, ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(38)
        .y_label_area_size(56);
    let horizontal = (1.0..widest * 1.5).log_scale();
    // Linear if the values are in the same order of magnitude.
    if is_flat {
        let mut chart = builder.build_cartesian_2d(horizontal, 0.0..highest * 1.4)?;
        draw_lines(&mut chart, lines)
    } else {
        let vertical = (lowest / 1.5..highest * 4.0).log_scale();
        let mut chart = builder.build_cartesian_2d(horizontal, vertical)?;
        draw_lines(&mut chart, lines)
    }
}

fn draw_lines<'area, X, Y>(
    chart: &mut ChartContext<'area, SVGBackend<'area>, Cartesian2d<X, Y>>,
    lines: &[Line],
) -> Result<(), Box<dyn Error>>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let label = |value: &f64| value.to_string();
    chart
        .configure_mesh()
        .x_desc("resources")
        .x_label_formatter(&label)
        .y_label_formatter(&label)
        .light_line_style(WHITE)
        .label_style(("sans-serif", 13))
        .draw()?;
    // In the corner that the lines leave free.
    let rises = |line: &Line| match line.points.as_slice() {
        [(_, first), .., (_, last)] => first < last,
        _ => false,
    };
    let position = if lines.iter().any(rises) {
        SeriesLabelPosition::UpperLeft
    } else {
        SeriesLabelPosition::UpperRight
    };
    for Line { name, color, points } in lines {
        let color = *color;
        chart
            .draw_series(LineSeries::new(points.clone(), color.stroke_width(2)).point_size(4))?
            .label(name.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(position)
        .border_style(BLACK.mix(0.2))
        .background_style(WHITE)
        .label_font(("sans-serif", 13))
        .draw()?;
    Ok(())
}
