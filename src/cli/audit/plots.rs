//! Plots as SVG that stands in a page and takes its colours from it.

use std::fmt::Write;

/// Width and height of a plot, in the units of its drawing.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 150.0;

/// Room below the bars for the labels, and above them for the highest count.
const BELOW: f64 = 22.0;
const ABOVE: f64 = 16.0;

/// Most bars of a histogram.
const BARS_MAX: usize = 24;

/// How often which whole number occurs.
pub(super) fn histogram(numbers: &[usize]) -> String {
    let (Some(low), Some(high)) = (numbers.iter().min().copied(), numbers.iter().max().copied()) else {
        return String::new();
    };
    let width = (high - low + 1).div_ceil(BARS_MAX).max(1);
    let mut counts = vec![0_usize; (high - low) / width + 1];
    for number in numbers {
        counts[(number - low) / width] += 1;
    }
    let label = |bar: usize| {
        let first = low + bar * width;
        if width == 1 { first.to_string() } else { format!("{first}-{}", first + width - 1) }
    };
    bars(&counts, &label)
}

/// How often which share between 0 and 1 occurs, in steps of 5 %; a line marks the largest that is wanted.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shares are between 0 and 1")]
pub(super) fn shares(shares: &[f64], wanted_max: Option<f64>) -> String {
    const STEPS: usize = 20;
    if shares.is_empty() {
        return String::new();
    }
    let mut counts = vec![0_usize; STEPS];
    for share in shares {
        let step = (share.clamp(0.0, 1.0) * STEPS as f64) as usize;
        counts[step.min(STEPS - 1)] += 1;
    }
    let label = |bar: usize| format!("{:.2}", bar as f64 / STEPS as f64);
    let mut plot = bars(&counts, &label);
    if let Some(wanted) = wanted_max {
        let x = wanted * WIDTH;
        let line = format!(
            "<line class=\"limit\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{ABOVE}\" y2=\"{:.1}\"><title>at most {wanted:.2} is wanted</title></line></svg>",
            HEIGHT - BELOW
        );
        plot = plot.replace("</svg>", &line);
    }
    plot
}

/// One bar for each count, with the first, middle and last labelled.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn bars(counts: &[usize], label: &dyn Fn(usize) -> String) -> String {
    let most = counts.iter().max().copied().unwrap_or(0).max(1);
    let room = WIDTH / counts.len() as f64;
    let height = HEIGHT - BELOW - ABOVE;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    for (bar, count) in counts.iter().enumerate() {
        let tall = *count as f64 / most as f64 * height;
        let (x, y) = (bar as f64 * room, HEIGHT - BELOW - tall);
        // Writing to a text can't fail.
        let _ = write!(
            svg,
            "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{tall:.1}\"><title>{}: {count}</title></rect>",
            x + room * 0.08,
            room * 0.84,
            label(bar)
        );
    }
    let mut labelled = vec![0, counts.len() / 2, counts.len() - 1];
    labelled.dedup();
    for bar in labelled {
        let x = (bar as f64 + 0.5) * room;
        let anchor = match bar {
            0 => "start",
            last if last + 1 == counts.len() => "end",
            _ => "middle",
        };
        let x = match anchor {
            "start" => 0.0,
            "end" => WIDTH,
            _ => x,
        };
        let _ =
            write!(svg, "<text x=\"{x:.1}\" y=\"{HEIGHT}\" dy=\"-6\" text-anchor=\"{anchor}\">{}</text>", label(bar));
    }
    let _ = write!(
        svg,
        "<line class=\"axis\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{0:.1}\" y2=\"{0:.1}\"/><text x=\"0\" y=\"11\">most: {most}</text></svg>",
        HEIGHT - BELOW
    );
    svg
}

/// Parts of a whole side by side, each with its class, name and count.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
pub(super) fn parts(parts: &[(&str, &str, u64)]) -> String {
    let all: u64 = parts.iter().map(|(_, _, count)| count).sum();
    let mut svg = format!("<svg class=\"parts\" viewBox=\"0 0 {WIDTH} 14\" preserveAspectRatio=\"none\" role=\"img\">");
    let mut x = 0.0;
    for (class, name, count) in parts {
        let wide = *count as f64 / all.max(1) as f64 * WIDTH;
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{x:.2}\" y=\"0\" width=\"{wide:.2}\" height=\"14\"><title>{name}: {count}</title></rect>"
        );
        x += wide;
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_a_bar() {
        let numbers: Vec<usize> = (0..500).map(|index| 34 + index % 90).collect();
        let svg = histogram(&numbers);
        let counted: usize = svg
            .split("<title>")
            .skip(1)
            .map(|rest| rest.split("</title>").next().unwrap().rsplit(' ').next().unwrap().parse::<usize>().unwrap())
            .sum();
        assert_eq!(counted, numbers.len());
        assert!(svg.matches("<rect").count() <= BARS_MAX);
        assert_eq!(histogram(&[]), "");
        assert!(shares(&[0.0, 1.0, 0.4], Some(0.4)).contains("class=\"limit\""));
    }
}
