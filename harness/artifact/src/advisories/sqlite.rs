//! `SQLite` files, as far as a small database needs them: tables of one page each, without indexes
//! and overflow pages (<https://www.sqlite.org/fileformat.html>).

use crate::Error;

const PAGE_BYTES: usize = 4096;
/// The file's own head, on the first page.
const FILE_HEAD: usize = 100;
/// The head of a leaf page.
const PAGE_HEAD: usize = 8;
/// The longest row that needs no overflow page, in a table with ids and in one without.
const LONGEST_CELL: usize = PAGE_BYTES - 35;
const LONGEST_KEYED: usize = (PAGE_BYTES - 12) * 64 / 255 - 23;

/// A value of a row.
pub(super) enum SqliteValue {
    Null,
    Integer(i64),
    Text(String),
}

/// A table with its rows, in the order of their ids.
pub(super) struct SqliteTable {
    name: &'static str,
    sql: String,
    /// Its rows are found by their first column, and have no ids.
    keyed: bool,
    rows: Vec<(i64, Vec<SqliteValue>)>,
}

impl SqliteTable {
    pub(super) fn new(name: &'static str, columns: &str) -> Self {
        Self {
            name,
            sql: format!("CREATE TABLE {name} ({columns})"),
            keyed: false,
            rows: Vec::new(),
        }
    }

    /// A table whose first column is its primary key, and no number.
    pub(super) fn with_key(name: &'static str, columns: &str) -> Self {
        let sql = format!("CREATE TABLE {name} ({columns}) WITHOUT ROWID");
        Self {
            keyed: true,
            sql,
            ..Self::new(name, columns)
        }
    }

    /// A column that is the table's `integer PRIMARY KEY` is null here: the id says it. In a keyed
    /// table the ids only say the order, which has to be that of the keys.
    pub(super) fn insert(&mut self, id: i64, row: Vec<SqliteValue>) {
        self.rows.push((id, row));
    }
}

/// The whole file: the first page holds the schema, each table has the next one.
pub(super) fn encode_file(tables: &[SqliteTable]) -> Result<Vec<u8>, Error> {
    let mut schema = SqliteTable::new("sqlite_schema", "");
    for (number, table) in (1..).zip(tables) {
        let text = |text: &str| SqliteValue::Text(text.to_owned());
        let row = [
            text("table"),
            text(table.name),
            text(table.name),
            SqliteValue::Integer(number + 1),
            text(&table.sql),
        ];
        schema.insert(number, row.into());
    }
    let mut bytes = leaf_page(&schema, FILE_HEAD)?;
    let pages = u32::try_from(tables.len() + 1).unwrap_or(u32::MAX);
    bytes[..FILE_HEAD].copy_from_slice(&page_head(pages));
    for table in tables {
        bytes.extend(leaf_page(table, 0)?);
    }
    Ok(bytes)
}

fn page_head(pages: u32) -> [u8; FILE_HEAD] {
    let mut head = [0; FILE_HEAD];
    head[..16].copy_from_slice(b"SQLite format 3\0");
    head[16..18].copy_from_slice(&[0x10, 0x00]); // the page's size
    head[18..24].copy_from_slice(&[1, 1, 0, 64, 32, 32]); // no write-ahead log, nothing reserved, fixed fractions
    let words = [
        (24, 1),
        (28, pages),
        (40, 1),
        (44, 4),
        (56, 1),
        (92, 1),
        (96, 3_045_000),
    ];
    for (at, word) in words {
        head[at..at + 4].copy_from_slice(&u32::to_be_bytes(word));
    }
    head
}

/// A leaf page: its head, pointers to its rows, and the rows from the end on.
fn leaf_page(table: &SqliteTable, start: usize) -> Result<Vec<u8>, Error> {
    let mut page = vec![0; PAGE_BYTES];
    let (mut end, mut pointers) = (PAGE_BYTES, Vec::new());
    let (kind, longest) = if table.keyed {
        (10, LONGEST_KEYED)
    } else {
        (13, LONGEST_CELL)
    };
    for (id, row) in &table.rows {
        let payload = encode_record(row);
        let mut cell = encode_varint(payload.len().try_into().unwrap_or(u64::MAX));
        if !table.keyed {
            cell.extend(encode_varint(id.cast_unsigned()));
        }
        cell.extend(&payload);
        let full = start + PAGE_HEAD + pointers.len() + 2;
        end = end
            .checked_sub(cell.len())
            .filter(|end| *end >= full && payload.len() <= longest)
            .ok_or_else(|| {
                Error::malformed(
                    "the list of advisories",
                    format!("the table {} is larger than a page", table.name),
                )
            })?;
        page[end..end + cell.len()].copy_from_slice(&cell);
        pointers.extend(short_bytes(end));
    }
    page[start] = kind;
    page[start + 3..start + 5].copy_from_slice(&short_bytes(table.rows.len()));
    page[start + 5..start + 7].copy_from_slice(&short_bytes(end));
    let first = start + PAGE_HEAD;
    page[first..first + pointers.len()].copy_from_slice(&pointers);
    Ok(page)
}

fn short_bytes(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes()
}

/// A row: the types of its values, then the values.
fn encode_record(row: &[SqliteValue]) -> Vec<u8> {
    let (mut types, mut body) = (Vec::new(), Vec::new());
    for value in row {
        match value {
            SqliteValue::Null => types.push(0),
            SqliteValue::Integer(number) => {
                types.push(6);
                body.extend(number.to_be_bytes());
            }
            SqliteValue::Text(text) => {
                types.extend(encode_varint(
                    2 * u64::try_from(text.len()).unwrap_or(u64::MAX / 4) + 13,
                ));
                body.extend(text.as_bytes());
            }
        }
    }
    // The length counts itself; two bytes serve for every row that fits a page.
    let length = types.len() + 1;
    let mut record = if length < 128 {
        encode_varint(length as u64)
    } else {
        encode_varint(length as u64 + 1)
    };
    record.extend(types);
    record.extend(body);
    record
}

/// A number in seven bits a byte, the highest first; all but the last have the top bit set.
fn encode_varint(number: u64) -> Vec<u8> {
    let mut bytes = vec![(number & 0x7f) as u8];
    let mut rest = number >> 7;
    while rest > 0 {
        bytes.insert(0, (rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_seven_bits_a_byte() {
        for (number, bytes) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x81, 0]),
            (16_384, &[0x81, 0x80, 0]),
        ] {
            assert_eq!(encode_varint(number), bytes);
        }
    }

    #[test]
    fn a_row_says_its_types_before_its_values() {
        let row = [
            SqliteValue::Null,
            SqliteValue::Integer(258),
            SqliteValue::Text("ab".into()),
        ];
        assert_eq!(
            encode_record(&row),
            [4, 0, 6, 17, 0, 0, 0, 0, 0, 0, 1, 2, b'a', b'b']
        );
    }

    #[test]
    fn a_file_is_a_page_for_the_schema_and_one_for_each_table() {
        let mut table = SqliteTable::new("t", "id integer PRIMARY KEY, v text");
        table.insert(7, vec![SqliteValue::Null, SqliteValue::Text("here".into())]);
        let file = encode_file(&[table]).unwrap();
        assert_eq!(file.len(), 2 * PAGE_BYTES);
        assert!(file.starts_with(b"SQLite format 3\0"));
        assert_eq!(file[FILE_HEAD], 13);
        assert!(file.ends_with(b"\x07\x03\x00\x15here"));
    }

    #[test]
    fn a_keyed_row_has_no_id() {
        let mut table = SqliteTable::with_key("t", "k text PRIMARY KEY");
        table.insert(1, vec![SqliteValue::Text("key".into())]);
        let file = encode_file(&[table]).unwrap();
        assert_eq!(file[PAGE_BYTES], 10);
        assert!(file.ends_with(b"\x00\x05\x02\x13key"));
    }

    #[test]
    fn a_row_that_needs_an_overflow_page_is_refused() {
        let mut table = SqliteTable::new("t", "v text");
        table.insert(1, vec![SqliteValue::Text("x".repeat(LONGEST_CELL))]);
        assert!(encode_file(&[table]).is_err());
    }
}
