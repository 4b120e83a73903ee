//! A report as people read it: a headline, tables, and what has to be said beside them; drawn for a terminal or written as Markdown.

/// What a piece of text means; on a terminal it has a colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing in particular.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Doubtful,
    /// Wrong.
    Bad,
    /// Less important than the rest.
    Faint,
    /// A heading.
    Strong,
}

/// Colours a piece of text.
pub type Paint<'a> = dyn Fn(Tone, &str) -> String + 'a;

/// On which side a column is ragged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A piece of text in a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// Text that means something.
    pub fn toned(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }
}

/// Rows under headings.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// What it is about; nothing is written over it where that is empty.
    pub title: String,
    headings: Vec<(&'static str, Align)>,
    /// Whether the last column is drawn: it means nothing to those who do not see it.
    is_drawn: bool,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Without rows.
    pub fn new(title: impl Into<String>, headings: &[(&'static str, Align)]) -> Self {
        Self { title: title.into(), headings: headings.to_vec(), ..Self::default() }
    }

    /// Its last column is drawn.
    pub fn with_bars(mut self) -> Self {
        self.headings.push(("", Align::Left));
        self.is_drawn = true;
        self
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn draw(&self, paint: &Paint<'_>, to: &mut String) {
        let widths: Vec<usize> = (0..self.headings.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| width(&cell.text));
                cells.chain([width(self.headings[column].0)]).max().unwrap_or(0)
            })
            .collect();
        if !self.title.is_empty() {
            line(to, &paint(Tone::Strong, &self.title));
        }
        let headings = self.headings.iter().map(|(heading, _)| Cell::toned(Tone::Faint, *heading)).collect();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let mut drawn = String::from("  ");
            for (column, cell) in row.iter().enumerate() {
                let padding = " ".repeat(widths[column] - width(&cell.text));
                let text = paint(cell.tone, &cell.text);
                match self.headings[column].1 {
                    Align::Left => drawn.extend([text, padding]),
                    Align::Right => drawn.extend([padding, text]),
                }
                drawn.push_str("  ");
            }
            line(to, drawn.trim_end());
        }
    }

    fn write(&self, to: &mut String) {
        if !self.title.is_empty() {
            line(to, &format!("### {}\n", escaped(&self.title)));
        }
        let columns = self.headings.len() - usize::from(self.is_drawn);
        let row = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
        line(to, &row(self.headings[..columns].iter().map(|(heading, _)| capitalised(heading)).collect()));
        let rule =
            self.headings[..columns].iter().map(|(_, align)| if *align == Align::Right { "---:" } else { "---" });
        line(to, &row(rule.map(str::to_owned).collect()));
        for cells in &self.rows {
            line(to, &row(cells.iter().take(columns).map(|cell| escaped(&cell.text)).collect()));
        }
    }
}

/// A report.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// What was asked.
    pub title: String,
    /// The answer, in a line or two.
    pub lead: Vec<Cell>,
    /// The details.
    pub tables: Vec<Table>,
    /// What has to be said beside.
    pub notes: Vec<Cell>,
}

impl Page {
    /// For a terminal, in columns; `paint` colours it.
    pub fn text(&self, paint: &Paint<'_>) -> String {
        let mut to = String::new();
        line(&mut to, &paint(Tone::Faint, &self.title));
        self.lead.iter().for_each(|cell| line(&mut to, &paint(cell.tone, &cell.text)));
        for table in self.tables.iter().filter(|table| !table.is_empty()) {
            to.push('\n');
            table.draw(paint, &mut to);
        }
        if !self.notes.is_empty() {
            to.push('\n');
        }
        self.notes.iter().for_each(|cell| line(&mut to, &paint(cell.tone, &cell.text)));
        to
    }

    /// For a comment or a page of documentation.
    pub fn markdown(&self) -> String {
        let mut to = String::new();
        line(&mut to, &format!("## {}", escaped(&self.title)));
        for cell in self.lead.iter() {
            line(&mut to, &format!("\n**{}**", escaped(&cell.text)));
        }
        for table in self.tables.iter().filter(|table| !table.is_empty()) {
            to.push('\n');
            table.write(&mut to);
        }
        for cell in &self.notes {
            line(&mut to, &format!("\n{}", escaped(&cell.text)));
        }
        to
    }
}

fn line(to: &mut String, text: &str) {
    to.push_str(text);
    to.push('\n');
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn capitalised(heading: &str) -> String {
    let mut letters = heading.chars();
    letters.next().map_or_else(String::new, |first| first.to_string() + &letters.as_str().to_lowercase())
}

/// Text in which nothing is Markdown.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '|' | '\\' | '`' | '*' | '_' | '<' | '>' | '[' | ']') {
            escaped.push('\\');
        }
        escaped.push(if letter.is_control() { ' ' } else { letter });
    }
    escaped
}
