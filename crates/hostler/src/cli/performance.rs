//! How something was loaded: `hostler vm performance` and `hostler host performance`.

use clap::Args;
use hostler_client::PerformanceQuery;
use hostler_model::performance::Performance;

use crate::cli::failure::Failure;
use crate::cli::here::Here;
use crate::cli::show::{Cell, cell, number, table};
use crate::cli::values::{past, shown_size};

/// How many points a line of the table has: it fits beside the figures on 100 columns.
const SHOWN: u32 = 48;

/// Which part of the history.
#[derive(Args, Clone, Debug)]
pub struct Span {
    /// From when on: a span before now (30m, 24h) or a time (RFC 3339); an hour before the end where absent
    #[arg(long, value_name = "TIME", value_parser = past)]
    from: Option<hostler_model::Timestamp>,
    /// Until when; now where absent
    #[arg(long, value_name = "TIME", value_parser = past)]
    to: Option<hostler_model::Timestamp>,
    /// How many points at most, 2 to 1000
    #[arg(long, value_name = "COUNT")]
    points: Option<u32>,
}

impl Span {
    pub(super) fn query(&self, here: &Here) -> Result<PerformanceQuery, Failure> {
        let shown = here.is_for_people().then_some(SHOWN);
        Ok(PerformanceQuery { from: self.from, to: self.to, points: self.points.or(shown) })
    }
}

pub(super) fn show(here: &Here, seen: &Performance) -> Result<(), Failure> {
    here.one(seen, || text(seen, here.width))
}

fn text(seen: &Performance, width: Option<u16>) -> String {
    let series = &seen.series;
    let whole = |values: &[Option<u64>]| values.iter().map(|value| value.map(|value| value as f64)).collect();
    let percent = |value: f64| format!("{value:.1} %");
    let memory = |value: f64| format!("{value:.0} MiB");
    let rate = |value: f64| format!("{}/s", shown_size(value as u64));
    let rows = [
        row(
            "Processor",
            series.processor_percent.iter().map(|value| value.map(f64::from)).collect(),
            100.0,
            percent,
        ),
        row("Memory", whole(&series.memory_mib), 0.0, memory),
        row("Disk read", whole(&series.disk_read_bytes_s), 0.0, rate),
        row("Disk written", whole(&series.disk_write_bytes_s), 0.0, rate),
        row("Network in", whole(&series.net_in_bytes_s), 0.0, rate),
        row("Network out", whole(&series.net_out_bytes_s), 0.0, rate),
    ];
    let every = seen.step_ms / 1_000;
    format!(
        "{}\n\nFrom {} to {}, a point each {every} s; what is not known is left blank.\n",
        table(&["SERIES", "LAST", "MEAN", "MOST", "COURSE"], &rows, width).trim_end(),
        seen.from,
        seen.to
    )
}

/// A line of figures. `full` is what a full column of the course stands for; 0 for the largest value.
fn row(name: &str, values: Vec<Option<f64>>, full: f64, shown: impl Fn(f64) -> String) -> Vec<Cell> {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    let most = known.iter().copied().fold(0.0, f64::max);
    let figure = |value: Option<f64>| number(value.map(&shown).unwrap_or_else(|| "-".to_owned()));
    let mean = (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64);
    vec![
        cell(name),
        figure(known.last().copied()),
        figure(mean),
        figure((!known.is_empty()).then_some(most)),
        cell(course(&values, if full > 0.0 { full } else { most })),
    ]
}

/// A course in blocks, one for each value.
fn course(values: &[Option<f64>], full: f64) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let block = |value: &Option<f64>| match value {
        None => ' ',
        Some(value) if full > 0.0 => BLOCKS[((value / full * 8.0) as usize).min(7)],
        Some(_) => BLOCKS[0],
    };
    values.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_model::Timestamp;
    use hostler_model::performance::Series;

    #[test]
    fn a_course_is_drawn_from_nothing_to_full_and_what_is_not_known_is_blank() {
        let values = [Some(0.0), Some(50.0), None, Some(100.0), Some(13.0)];
        assert_eq!(course(&values, 100.0), "▁▅ █▂");
        assert_eq!(course(&[Some(0.0), None], 0.0), "▁ ");
    }

    #[test]
    fn figures_stand_beside_their_course() {
        let seen = Performance {
            from: Timestamp(1_763_716_800_000),
            to: Timestamp(1_763_716_860_000),
            step_ms: 20_000,
            series: Series {
                processor_percent: vec![Some(10.0), None, Some(30.0)],
                memory_mib: vec![Some(512), Some(512), None],
                disk_read_bytes_s: vec![None; 3],
                disk_write_bytes_s: vec![Some(0), Some(1 << 20), Some(0)],
                net_in_bytes_s: vec![None; 3],
                net_out_bytes_s: vec![None; 3],
            },
        };
        let text = text(&seen, None);
        let line = |name: &str| {
            text.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().collect::<Vec<_>>()
        };
        assert_eq!(line("Processor")[1..7], ["30.0", "%", "20.0", "%", "30.0", "%"]);
        assert_eq!(line("Memory")[1..3], ["512", "MiB"]);
        assert_eq!(line("Disk written")[2..5], ["0B/s", "341.3KiB/s", "1MiB/s"]);
        assert_eq!(line("Network in")[2..5], ["-", "-", "-"]);
        assert!(text.contains("a point each 20 s"), "{text}");
    }
}
