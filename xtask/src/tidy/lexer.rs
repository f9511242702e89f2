//! Just enough of Rust's lexical grammar to know code from comments and literals.

/// The same text with every comment, string and character literal turned into blanks, line by line. What is left is
/// code, at its old place.
pub(super) fn code_only(text: &str) -> String {
    let mut lexer =
        Lexer { chars: text.chars().collect(), at: 0, out: String::with_capacity(text.len()) };
    while lexer.step() {}
    lexer.out
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    out: String,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    /// Blanks the next `count` characters, keeping line ends.
    fn blank(&mut self, count: usize) {
        let end = (self.at + count).min(self.chars.len());
        for c in &self.chars[self.at..end] {
            self.out.push(if *c == '\n' { '\n' } else { ' ' });
        }
        self.at = end;
    }

    /// One token of interest, or one character of code. False at the end.
    fn step(&mut self) -> bool {
        if self.at >= self.chars.len() {
            return false;
        }
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => self.line_comment(),
            ('/', '*') => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', _) => self.character(),
            (first, _) if first.is_alphabetic() || first == '_' => self.word(),
            (other, _) => {
                self.out.push(other);
                self.at += 1;
            }
        }
        true
    }

    fn line_comment(&mut self) {
        while self.at < self.chars.len() && self.peek(0) != '\n' {
            self.blank(1);
        }
    }

    /// Rust's block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.blank(1);
                    continue;
                }
            }
            self.blank(2);
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.blank(1);
        while self.at < self.chars.len() {
            match self.peek(0) {
                '\\' => self.blank(2),
                '"' => return self.blank(1),
                _ => self.blank(1),
            }
        }
    }

    /// A character literal, or a lifetime, which is code.
    fn character(&mut self) {
        if self.peek(1) == '\\' {
            self.blank(3);
            while self.at < self.chars.len() && self.peek(0) != '\'' {
                self.blank(1);
            }
            self.blank(1);
        } else if self.peek(2) == '\'' {
            self.blank(3);
        } else {
            self.out.push('\'');
            self.at += 1;
        }
    }

    /// An identifier, unless it is the prefix of a raw string such as `br##"…"##`.
    fn word(&mut self) {
        let mut length = 0;
        while self.peek(length).is_alphanumeric() || self.peek(length) == '_' {
            length += 1;
        }
        let word: String = self.chars[self.at..self.at + length].iter().collect();
        let hashes = (0..).take_while(|n| self.peek(length + n) == '#').count();
        if ["r", "br", "cr"].contains(&word.as_str()) && self.peek(length + hashes) == '"' {
            self.blank(length + hashes + 1);
            while self.at < self.chars.len() {
                let closed = self.peek(0) == '"' && (1..=hashes).all(|n| self.peek(n) == '#');
                if closed {
                    return self.blank(1 + hashes);
                }
                self.blank(1);
            }
            return;
        }
        self.out.push_str(&word);
        self.at += length;
    }
}
