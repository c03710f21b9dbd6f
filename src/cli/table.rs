//! Text tables of at most 80 columns. Pure.

/// The widest line.
pub(crate) const WIDTH: usize = 80;
const GAP: usize = 2;
const NARROWEST: usize = 6;

/// How a cell is coloured, where colours are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it is.
    Plain,
    /// Well.
    Good,
    /// Not yet.
    Waiting,
    /// Failed.
    Bad,
}

/// One cell.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
    fixed: bool,
}

impl Cell {
    /// A cell whose text is one of the words of a state machine.
    pub(crate) fn state(word: &str) -> Self {
        Self {
            text: word.to_owned(),
            tone: tone_of(word),
            fixed: true,
        }
    }

    /// Whether this is what it says.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.text == text
    }

    /// A cell that is never cut: something to be copied.
    pub(crate) fn whole(text: &str) -> Self {
        Self {
            fixed: true,
            ..Self::from(text)
        }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self {
            text: printable(text.as_ref()),
            tone: Tone::Plain,
            fixed: false,
        }
    }
}

/// The tone of a state's word.
fn tone_of(word: &str) -> Tone {
    match word {
        "ready" | "succeeded" | "up" | "present" => Tone::Good,
        "failed" | "error" | "down" | "missing" => Tone::Bad,
        "pending" | "queued" | "running" | "starting" | "loading" | "building" => Tone::Waiting,
        _ => Tone::Plain,
    }
}

/// Control characters of a function's own text must not reach a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Lines, the head first; columns shrink, the widest first, until a line fits.
pub(crate) fn render(head: &[&str], rows: &[Vec<Cell>], colours: bool) -> String {
    let widths = fit(head, rows);
    let head: Vec<Cell> = head.iter().map(Cell::from).collect();
    std::iter::once(&head)
        .chain(rows)
        .map(|row| line(row, &widths, colours))
        .collect()
}

fn fit(head: &[&str], rows: &[Vec<Cell>]) -> Vec<usize> {
    let column = |i: usize| rows.iter().filter_map(move |row| row.get(i));
    let mut widths: Vec<usize> = (0..head.len())
        .map(|i| {
            let cells = column(i).map(|cell| length(&cell.text));
            cells.max().unwrap_or(0).max(length(head[i]))
        })
        .collect();
    let fixed: Vec<bool> = (0..head.len()).map(|i| column(i).any(|cell| cell.fixed)).collect();
    while total(&widths) > WIDTH {
        let widest = (0..widths.len())
            .filter(|i| !fixed[*i] && widths[*i] > NARROWEST)
            .max_by_key(|i| widths[*i]);
        match widest {
            Some(i) => widths[i] -= 1,
            None => break,
        }
    }
    widths
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

fn line(row: &[Cell], widths: &[usize], colours: bool) -> String {
    let mut text = String::new();
    for (i, (cell, width)) in row.iter().zip(widths).enumerate() {
        let shown = cut(&cell.text, *width);
        let padding = if i + 1 == row.len() {
            0
        } else {
            (width + GAP).saturating_sub(length(&shown))
        };
        text.push_str(&coloured(&shown, cell.tone, colours));
        text.extend(std::iter::repeat_n(' ', padding));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn cut(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain(std::iter::once('…')).collect()
}

/// The word of a state in its colour.
pub(crate) fn state(word: &str, colours: bool) -> String {
    coloured(word, tone_of(word), colours)
}

/// A text in its colour, where colours are.
pub(crate) fn coloured(text: &str, tone: Tone, colours: bool) -> String {
    let number = match tone {
        Tone::Plain => return text.to_owned(),
        _ if !colours => return text.to_owned(),
        Tone::Good => 32,
        Tone::Waiting => 33,
        Tone::Bad => 31,
    };
    format!("\x1b[{number}m{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<Cell> {
        cells.iter().map(Cell::from).collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let text = render(&["NAME", "N"], &[row(&["hello", "1"]), row(&["a", "22"])], false);
        assert_eq!(text, "NAME   N\nhello  1\na      22\n");
    }

    #[test]
    fn no_line_is_wider_than_eighty_columns() {
        let long = "ä".repeat(200);
        let rows = [row(&[&long, "short", &long, &long]), row(&["a", "b", "c", "d"])];
        let text = render(&["A", "B", "C", "D"], &rows, false);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.contains("short") && text.contains('…'));
    }

    #[test]
    fn what_is_to_be_copied_is_never_cut() {
        let id = "0".repeat(36);
        let rows = [vec![Cell::whole(&id), Cell::from("x".repeat(90))]];
        let text = render(&["ID", "MESSAGE"], &rows, false);
        assert!(text.contains(&id));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
    }

    #[test]
    fn colours_do_not_change_the_widths() {
        let rows = [vec![Cell::state("ready"), Cell::from("x")]];
        let plain = render(&["STATE", "B"], &rows, false);
        let colourful = render(&["STATE", "B"], &rows, true);
        assert_eq!(plain, colourful.replace("\x1b[32m", "").replace("\x1b[0m", ""));
        assert_ne!(plain, colourful);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let text = render(&["A"], &[row(&["a\x1b[2Jb\nc"])], false);
        assert_eq!(text, "A\na [2Jb c\n");
    }
}
